#include "addon/images.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "addon/arguments.hpp"
#include "addon/shapes.hpp"
#include "image/image.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv::addon {
namespace {

constexpr std::uint64_t kProgressEveryUs = 100'000;

Result<Answer> json(const Result<ImageInfo>& image, const std::string& path) {
  if (image) return Answer(toJson(*image));
  Error error = image.error();
  if (error.detail.find(path) == std::string::npos) error.detail = path + ": " + error.detail;
  return error;
}

/** Tells the event loop at most ten times a second, and once at the end. */
struct ProgressTeller {
  std::shared_ptr<Context> context;
  std::uint64_t token = 0, nextUs = 0;

  static bool tell(void* self, std::uint64_t done, std::uint64_t total) {
    auto& teller = *static_cast<ProgressTeller*>(self);
    const std::uint64_t now = monotonicUs();
    if (now < teller.nextUs && done < total) return true;
    teller.nextUs = now + kProgressEveryUs;
    teller.context->events()->post([context = teller.context, token = teller.token, done, total](Napi::Env env) {
      Napi::FunctionReference* callback = context->callbacks().find(token);
      if (callback == nullptr) return;
      const Napi::Function function = callback->Value();
      function.Call(
          {Napi::Number::New(env, static_cast<double>(done)), Napi::Number::New(env, static_cast<double>(total))});
    });
    return true;
  }
};

Result<Answer> verify(const std::string& path, const std::shared_ptr<Context>& context, std::uint64_t token) {
  const Result<Fd> fd = openFile(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  ProgressTeller teller{context, token};
  Result<Answer> answer = json(verifyImage(fd->get(), token == 0 ? nullptr : ProgressTeller::tell, &teller), path);
  if (token != 0) context->events()->post([context, token](Napi::Env) { context->callbacks().remove(token); });
  return answer;
}

Napi::Value callVerify(const std::shared_ptr<Context>& context, const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string path = arguments.text(0, "path");
  const bool wantsProgress = info.Length() > 1 && !info[1].IsUndefined();
  const Napi::Function onProgress = wantsProgress ? arguments.function(1, "onProgress") : Napi::Function();
  if (!arguments.ok()) return {};
  const std::uint64_t token = wantsProgress ? context->callbacks().add(onProgress) : 0;
  return context->promise(info.Env(), [path, context, token] { return verify(path, context, token); });
}

Napi::Value callRead(const std::shared_ptr<Context>& context, const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string path = arguments.text(0, "path");
  if (!arguments.ok()) return {};
  return context->promise(info.Env(), [path] { return json(readImageFile(path), path); });
}

/** Into a directory that is there and empty; all of it is on the disk when it is over. */
Result<Answer> unpack(const std::string& path, const std::string& directory) {
  const Result<Fd> image = openFile(path, O_RDONLY | O_NONBLOCK);
  if (!image) return image.error();
  const Result<ImageInfo> info = readImage(image->get());
  if (!info) return info.error();
  const Result<Fd> target = openFile(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!target) return target.error();
  if (Status unpacked = unpackErofs(image->get(), info->erofsSize, target->get()); !unpacked) return unpacked.error();
  // One call for thousands of files and directories (syncfs(2)).
  if (::syncfs(target->get()) < 0) return Error{"syncfs", errno, directory};
  return Answer();
}

Napi::Value callUnpack(const std::shared_ptr<Context>& context, const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string path = arguments.text(0, "path");
  const std::string directory = arguments.text(1, "directory");
  if (!arguments.ok()) return {};
  return context->promise(info.Env(), [path, directory] { return unpack(path, directory); });
}

/** The file system of a path, whole: what was written without fsync is on the disk when it is over. */
Napi::Value callSync(const std::shared_ptr<Context>& context, const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string path = arguments.text(0, "path");
  if (!arguments.ok()) return {};
  return context->promise(info.Env(), [path]() -> Result<Answer> {
    const Result<Fd> fd = openFile(path, O_RDONLY);
    if (!fd) return fd.error();
    if (::syncfs(fd->get()) < 0) return Error{"syncfs", errno, path};
    return Answer();
  });
}

}  // namespace

void addImageFunctions(Napi::Env env, Napi::Object exports, const std::shared_ptr<Context>& context) {
  const auto verifyCall = [context](const Napi::CallbackInfo& info) { return callVerify(context, info); };
  const auto readCall = [context](const Napi::CallbackInfo& info) { return callRead(context, info); };
  exports.Set("verifyImage", Napi::Function::New(env, verifyCall, "verifyImage"));
  const auto unpackCall = [context](const Napi::CallbackInfo& info) { return callUnpack(context, info); };
  const auto syncCall = [context](const Napi::CallbackInfo& info) { return callSync(context, info); };
  exports.Set("unpackImage", Napi::Function::New(env, unpackCall, "unpackImage"));
  exports.Set("syncFileSystem", Napi::Function::New(env, syncCall, "syncFileSystem"));
  exports.Set("readImage", Napi::Function::New(env, readCall, "readImage"));
}

}  // namespace lightv::addon
