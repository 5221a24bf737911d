#include "tools/tidy_repository.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "tools/tidy_table.h"

namespace yard::tidy {
namespace {
namespace fs = std::filesystem;

constexpr std::string_view kTops[] = {"scheduler", "topology", "kernels", "bench", "tests", "tools"};
constexpr std::string_view kKinds[] = {".h",  ".cpp", ".cc",   ".cu",   ".cuh", ".cmake",
                                       ".md", ".txt", ".yaml", ".json", ".sh"};

bool is_checked(const fs::path& path) {
  const std::string kind = path.extension().string();
  return kind.empty() || std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> files_under(const fs::path& root) {
  std::vector<fs::path> files;
  for (std::string_view top : kTops) {
    if (!fs::is_directory(root / top)) continue;
    for (auto at = fs::recursive_directory_iterator(root / top); at != fs::recursive_directory_iterator(); ++at) {
      const std::string name = at->path().filename().string();
      // tests/data, tests/golden and bench/results hold inputs and outputs as programs wrote them
      const bool as_written = name == "data" || name == "golden" || name == "results";
      if (at->is_directory() && (name.starts_with('.') || as_written)) at.disable_recursion_pending();
      if (at->is_regular_file() && !name.starts_with('.') && is_checked(at->path())) files.push_back(at->path());
    }
  }
  for (const char* name : {"CMakeLists.txt", "CMakePresets.json", "README.md", ".ci/run"})
    if (fs::is_regular_file(root / name)) files.push_back(root / name);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<Finding> check_room_targets(std::string_view path, std::string_view text) {
  std::vector<Finding> findings;
  for (std::size_t at = text.find("yard_room("); at != std::string_view::npos; at = text.find("yard_room(", at + 1)) {
    const std::size_t end = std::min(text.find(')', at), text.size());
    std::istringstream call{std::string(text.substr(at + 10, end - at - 10))};
    std::string room, word;
    bool enters = false;
    call >> room;
    if (!is_room(room)) continue;
    while (call >> word) {
      const bool keyword = word == "DIR" || word == "LINKS" || word == "HIDES" || word == "OPTIONS";
      if (word == "ENTERS" || keyword) {
        enters = word == "ENTERS";
      } else if (enters && !may_enter(room, word) && !may_enter(room, std::string(word).append("_values")) &&
                 !(word == "loop" && may_enter(room, "port"))) {
        const auto line =
            static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
        findings.push_back(
            {std::string(path), line + 1, "room", room + " links " + word, "the room table does not let it"});
      }
    }
  }
  return findings;
}

Report check_repository(const fs::path& root) {
  if (!fs::is_regular_file(root / "CMakeLists.txt") || !fs::is_directory(root / "scheduler"))
    throw std::runtime_error("no checkout of Switchyard at '" + root.string() + "'; give its folder");
  Report report;
  for (const fs::path& file : files_under(root)) {
    const std::string path = fs::relative(file, root).generic_string();
    const std::string text = read(file);
    std::vector<Finding> found = check_file(path, text);
    if (path.ends_with("CMakeLists.txt")) std::ranges::move(check_room_targets(path, text), std::back_inserter(found));
    std::move(found.begin(), found.end(), std::back_inserter(report.findings));
    ++report.files;
  }
  return report;
}

}  // namespace yard::tidy
