// `lightv __complete WORD...`: one candidate a line for the last word; shells' scripts call it at every Tab.
#include <algorithm>

#include "cli/delegate.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

/** Tells the scripts to complete file names themselves. */
constexpr const char* kFiles = ":files";

class Completion {
 public:
  explicit Completion(const Engine& engine) : engine_(engine) {}

  void complete(const std::vector<std::string>& words) {
    last_ = words.empty() ? "" : words.back();
    std::size_t at = 0;
    // Global flags come before the verb.
    while (at + 1 < words.size() && words[at].starts_with("-")) at += words[at].find('=') == std::string::npos ? 2 : 1;
    if (at + 1 >= words.size()) return offerVerbs();
    const Verb* verb = findVerb(words[at]);
    if (verb == nullptr) {
      if (findDelegated(words[at]) != nullptr) add(kFiles);
      return;
    }
    completeVerb(*verb, words, at + 1);
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void completeVerb(const Verb& verb, const std::vector<std::string>& words, std::size_t at) {
    unsigned args = 0;
    for (; at + 1 < words.size(); ++at) {
      const Flag* flag = flagOf(verb, words[at]);
      const bool takesNext = flag != nullptr && flag->value != nullptr && words[at].find('=') == std::string::npos;
      if (takesNext && at + 2 == words.size()) return offerValue(*flag);
      if (takesNext) ++at;
      if (!words[at].starts_with("-") && !takesNext) ++args;
    }
    const bool program = verb.commandFollows && args > 0;
    if (program) return add(kFiles);
    const std::size_t equals = last_.find('=');
    if (last_.starts_with("--") && equals != std::string::npos) return;
    if (last_.starts_with("-")) {
      for (const Flag* flag : allFlags(verb)) offer(std::string("--") + flag->name);
      return offer("--help");
    }
    if (args < verb.maxArgs) offerKind(verb.offer);
  }

  static const Flag* flagOf(const Verb& verb, const std::string& word) {
    if (word.starts_with("--")) return findFlag(verb, std::string_view(word).substr(2, word.find('=') - 2));
    if (word.size() < 2 || word[0] != '-') return nullptr;
    return findFlag(verb, word.back());  // of -it the last may take a value
  }

  void offerValue(const Flag& flag) {
    if (flag.words != nullptr) {
      for (const std::string& word : split(flag.words, ' ')) offer(word);
    }
    offerKind(flag.offer);
  }

  void offerVerbs() {
    if (last_.starts_with("-")) {
      for (const char* flag : {"--root", "--runroot", "--help", "--version"}) offer(flag);
      return;
    }
    for (const Verb* verb : allVerbs()) {
      if (verb->group != Group::hidden) offer(verb->name);
    }
    for (const DelegatedVerb& verb : delegatedVerbs()) offer(verb.name);
  }

  void offerKind(Offer kind) {
    if (kind == Offer::file || kind == Offer::image) add(kFiles);
    if (kind == Offer::verb) offerVerbs();
    if (kind == Offer::image || kind == Offer::object) offerImages();
    if (kind == Offer::sandbox || kind == Offer::running || kind == Offer::stopped || kind == Offer::object)
      offerSandboxes(kind);
  }

  void offerImages() {
    if (const Result<std::vector<ImageRef>> refs = engine_.images().refs()) {
      for (const ImageRef& ref : *refs) offer(ref.name);
    }
  }

  void offerSandboxes(Offer kind) {
    const Result<std::vector<SandboxInfo>> infos = engine_.list();
    if (!infos) return;
    for (const SandboxInfo& info : *infos) {
      const bool stopped = info.status == SandboxStatus::created || info.status == SandboxStatus::exited;
      if ((kind == Offer::running && stopped) || (kind == Offer::stopped && !stopped)) continue;
      offer(info.spec.name);
    }
  }

  void offer(const std::string& word) {
    if (word.starts_with(last_)) add(word);
  }
  void add(const std::string& word) { text_.append(word).append("\n"); }

  const Engine& engine_;
  std::string last_;
  std::string text_;
};

int runComplete(const Engine& engine, const Parsed& parsed) {
  Completion completion(engine);
  completion.complete(parsed.args);
  print(completion.text());
  return 0;
}

}  // namespace

constinit const Verb kComplete = {.name = "__complete",
                                  .group = Group::hidden,
                                  .usage = "WORD...",
                                  .summary = "What may follow: for the scripts of lightv completion",
                                  .maxArgs = kMany,
                                  .commandFollows = true,
                                  .run = runComplete};

}  // namespace lightv::cli
