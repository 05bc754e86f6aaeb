#include "core/cgroup_tree.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

bool isReadable(const std::string& path) {
  return ::access(path.c_str(), R_OK) == 0;
}

// net_cls, perf_event, hugetlb, rdma and misc limit nothing here; each would cost a mkdir at every start.
// "systemd" is the hierarchy by which systemd 2xx on v1 decides which unit a process belongs to; where none runs
// (sd_booted(3)) nobody does.
bool isWanted(const std::string& controller) {
  static constexpr std::array<const char*, 8> wanted{"memory", "cpu",   "cpuacct", "cpuset",
                                                     "pids",   "blkio", "freezer", "devices"};
  if (controller == "systemd") return ::access("/run/systemd/system", F_OK) == 0;
  return std::any_of(wanted.begin(), wanted.end(), [&](const char* name) { return controller == name; });
}

bool isFreezerAlone(const CgroupHierarchy& hierarchy) {
  return !hierarchy.v2 && hierarchy.controllers == std::vector<std::string>{"freezer"};
}

// cgroup.freeze came with Linux 5.2, and the root, which is all that is there yet, has none to look for.
bool freezesByV2() {
  utsname machine{};
  if (::uname(&machine) != 0) return false;
  const std::vector<std::string> numbers = split(machine.release, '.');
  const unsigned major = parseInteger<unsigned>(numbers[0]).value_or(0);
  const unsigned minor = numbers.size() > 1 ? parseInteger<unsigned>(numbers[1]).value_or(0) : 0;
  return major > 5 || (major == 5 && minor >= 2);
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> list;
  for (const std::string& word : split(trim(text), ' ')) {
    if (!word.empty()) list.push_back(word);
  }
  return list;
}

std::vector<std::string> readWords(const std::string& path) {
  const Result<std::string> text = readFile(path);
  return text ? words(*text) : std::vector<std::string>();
}

// A new v1 cpuset is empty and takes no process until it has CPUs and memory nodes. `isNew`: nobody has given it any.
Status inheritCpuset(const std::string& parent, const std::string& directory, bool isNew) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    const Result<std::string> own = isNew ? std::string() : readFile(directory + file);
    if (own && !trim(*own).empty()) continue;
    const Result<std::string> value = readFile(parent + file);
    if (!value) return value.error();
    if (trim(*value).empty()) return Error{"inherit", ENODATA, parent + file};
    if (Status written = writeControlFile(directory + file, trim(*value)); !written) return written;
  }
  return {};
}

// One write a controller: a single one that can't be enabled must not take the others with it.
void handControllersDown(const std::string& directory, std::vector<std::string>& warnings) {
  const std::vector<std::string> enabled = readWords(directory + "/cgroup.subtree_control");
  for (const std::string& controller : readWords(directory + "/cgroup.controllers")) {
    if (controller != "io" && !isWanted(controller)) continue;
    if (std::find(enabled.begin(), enabled.end(), controller) != enabled.end()) continue;
    const Status written = writeControlFile(directory + "/cgroup.subtree_control", "+" + controller);
    // EACCES: the group is another's, and so is what it hands down.
    if (!written && written.error().err != EACCES)
      warnings.push_back(written.error().wrap("cgroup controller " + controller).message());
  }
}

Status makeOne(const std::string& directory, bool& isNew) {
  isNew = ::mkdir(directory.c_str(), 0755) == 0;
  if (isNew || errno == EEXIST) return {};
  return Error{"make cgroup", errno, directory};
}

/** One system call where the groups above are there and ready, as for every sandbox but the first. */
bool makeLeaf(const CgroupHierarchy& hierarchy, const std::string& path) {
  // What a v2 root offers may have grown since the groups above were made.
  if (hierarchy.v2 && !hierarchy.controllers.empty()) return false;
  const std::string directory = std::string(hierarchy.mount).append("/").append(path);
  bool isNew = false;
  if (!makeOne(directory, isNew)) return false;
  if (hierarchy.v2 || !hierarchy.has("cpuset")) return true;
  return isNew && inheritCpuset(parentPath(directory), directory, true).ok();
}

bool isDirectory(const std::string& parent, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat info {};
  return ::lstat(std::string(parent).append("/").append(entry.d_name).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/** Of its real directories, sorted; links are second names of joined controllers (cpu -> cpu,cpuacct). */
std::vector<std::string> directoriesIn(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] != '.' && isDirectory(path, *entry)) names.emplace_back(entry->d_name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool CgroupHierarchy::has(const std::string& controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<CgroupHierarchy> findCgroupHierarchies(const std::string& mountPoint) {
  if (isReadable(mountPoint + "/cgroup.controllers")) {
    return {CgroupHierarchy{mountPoint, true, readWords(mountPoint + "/cgroup.controllers")}};
  }
  std::vector<CgroupHierarchy> found;
  for (const std::string& name : directoriesIn(mountPoint)) {
    const std::string path = std::string(mountPoint).append("/").append(name);
    std::vector<std::string> controllers = split(name, ',');
    const bool wanted = std::any_of(controllers.begin(), controllers.end(), isWanted);
    // Only v1 has directories that are called like controllers; "systemd" may be either.
    if ((name == "systemd" || !wanted) && isReadable(path + "/cgroup.controllers")) {
      found.insert(found.begin(), CgroupHierarchy{path, true, readWords(path + "/cgroup.controllers")});
    } else if (wanted && isReadable(path + "/cgroup.procs")) {
      found.push_back(CgroupHierarchy{path, false, std::move(controllers)});
    }
  }
  if (!found.empty() && found[0].v2 && freezesByV2()) std::erase_if(found, isFreezerAlone);
  return found;
}

Status makeCgroup(const CgroupHierarchy& hierarchy, const std::string& path, std::vector<std::string>& warnings) {
  const std::vector<std::string> names = split(path, '/');
  if (std::any_of(names.begin(), names.end(), [](const auto& name) { return name == "." || name == ".."; }))
    return Error{"make cgroup", EINVAL, path};
  if (makeLeaf(hierarchy, path)) return {};
  bool isNew = false;
  std::string directory = hierarchy.mount;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    if (hierarchy.v2) handControllersDown(directory, warnings);
    const std::string parent = directory;
    directory += "/" + name;
    if (Status made = makeOne(directory, isNew); !made) return made;
    if (!hierarchy.v2 && hierarchy.has("cpuset")) {
      if (Status inherited = inheritCpuset(parent, directory, isNew); !inherited) return inherited;
    }
  }
  return {};
}

Status removeCgroup(const std::string& directory) {
  if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
  const int err = errno;
  // rmdir says EBUSY both for processes and for groups below, which privileged workloads can make.
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return Error{"remove cgroup", err, directory};
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    (void)removeCgroup(directory + "/" + entry->d_name);
  }
  ::closedir(dir);
  if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
  return Error{"remove cgroup", errno, directory};
}

// A thread that moves itself by v1's "tasks" needs no lock over all of the kernel's fork and exec; "cgroup.procs" takes
// one and waits for an RCU grace period, milliseconds on a machine that was idle (kernel/cgroup/cgroup.c,
// cgroup_procs_write_start).
const char* selfJoinFile(const CgroupHierarchy& hierarchy) {
  return hierarchy.v2 ? "cgroup.procs" : "tasks";
}

// Lines are "<number>:<controllers>:<path>" (cgroups(7)); v2's has no controllers.
std::string ownCgroup(const std::string& membership, const CgroupHierarchy& hierarchy) {
  for (const std::string& line : split(membership, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    const bool same =
        hierarchy.v2 ? names.empty()
                     : names == join(hierarchy.controllers, ",") || names == "name=" + join(hierarchy.controllers, ",");
    if (same) return line.substr(second + 1);
  }
  return {};
}

}  // namespace lightv
