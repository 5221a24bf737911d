#include "tools/tidy_rules.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include "tools/tidy_table.h"

namespace yard::tidy {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Columns as a reader counts them: code points.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool ends_with_any(std::string_view path, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return path.ends_with(end); });
}
bool is_header(std::string_view path) { return ends_with_any(path, {".h", ".hpp", ".cuh"}); }
bool is_cpp(std::string_view path) { return is_header(path) || ends_with_any(path, {".cpp", ".cc", ".cu"}); }
bool is_narrow(std::string_view path) {  // not documents and data, whose tables may be wide
  return is_cpp(path) ||
         ends_with_any(path, {".cmake", "CMakeLists.txt", ".sh", "/check", "/setup", "/start", "/test", "/run"});
}

// The first use of `word` at or after `from` that is no part of a longer word.
std::size_t find_word(std::string_view code, std::string_view word, std::size_t from = 0) {
  for (std::size_t at = code.find(word, from); at != std::string_view::npos; at = code.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool begins = at == 0 || !is_word(code[at - 1]) || !is_word(word.front());
    const bool ends = end == code.size() || !is_word(code[end]) || !is_word(word.back());
    if (begins && ends) return at;
  }
  return std::string_view::npos;
}

// One file while it is checked.
struct File {
  std::string_view path, room;
  std::vector<std::string_view> raw, code, comments;
  std::vector<Finding>& findings;

  void report(std::size_t line, std::string_view rule, std::string what, std::string_view remedy) const {
    findings.push_back(
        {std::string(path), static_cast<int>(line) + 1, std::string(rule), std::move(what), std::string(remedy)});
  }
  // Whether a comment on the line, or in the comment lines just above it, says `tidy: <rule>` and a reason.
  bool excused(std::size_t line, std::string_view rule) const {
    if (says_why(comments[line], rule)) return true;
    for (std::size_t above = line; above-- > 0 && trimmed(code[above]).empty() && !trimmed(comments[above]).empty();)
      if (says_why(comments[above], rule)) return true;
    return line > 0 && says_why(comments[line - 1], rule);
  }

 private:
  static bool says_why(std::string_view comment, std::string_view rule) {
    constexpr std::string_view kMark = "tidy: ";
    const std::size_t at = comment.find(kMark);
    if (at == std::string_view::npos) return false;
    const std::string_view rest = comment.substr(at + kMark.size());
    return rest.starts_with(rule) && trimmed(rest.substr(rule.size())).size() >= 8;
  }
};

// ---- includes -----------------------------------------------------------------------------------------------------

// Returns: the name in an #include line, and its opening mark; an empty name elsewhere.
std::pair<std::string_view, char> included(std::string_view code) {
  std::string_view line = trimmed(code);
  if (!line.starts_with('#')) return {};
  line = trimmed(line.substr(1));
  if (!line.starts_with("include")) return {};
  line = trimmed(line.substr(7));
  if (line.size() < 3 || (line.front() != '"' && line.front() != '<')) return {};
  const std::size_t end = line.find(line.front() == '<' ? '>' : '"', 1);
  return {line.substr(1, std::min(end, line.size()) - 1), line.front()};
}

// What Core and its policies would need only to know the time, wait, share or print.
constexpr std::string_view kNotInCore =
    "atomic barrier chrono cmath complex condition_variable cstdio ctime filesystem fstream future iostream istream "
    "latch mutex "
    "ostream semaphore shared_mutex sstream stop_token thread time.h math.h stdio.h";

void check_own_header(const File& file, std::size_t line, std::string_view header) {
  const std::string_view room = room_of(header);
  if (room.empty()) {
    file.report(line, "include", "\"" + std::string(header) + "\" is no path from the repository's root",
                "include our headers as \"room/file.h\"");
    return;
  }
  if (may_enter(file.room, room)) return;
  std::string allowed(entered_by(file.room));
  allowed = allowed == "nothing" ? "the standard library only" : "base" + (allowed.empty() ? "" : " " + allowed);
  file.report(line, "room",
              std::string(file.room) + " may not enter " + std::string(room) + " (" + std::string(header) + ")",
              "it may enter: " + allowed);
}

void check_system_header(const File& file, std::size_t line, std::string_view header) {
  if (header.starts_with("switchyard/")) return check_own_header(file, line, std::string("scheduler/").append(header));
  if (file.room == "outside" || file.room == "assembly" || file.room.empty()) return;
  const bool hidden = !is_header(file.path) || file.path.ends_with(".cuh");
  if (const Library* library = library_of(header)) {
    if (listed_in(library->anywhere, file.room) || (hidden && listed_in(library->in_cpp, file.room))) return;
    file.report(line, "library",
                std::string(library->name) + " is not for " + std::string(file.room) +
                    (listed_in(library->in_cpp, file.room) ? "'s headers" : ""),
                "put it behind a room that has it, in a .cpp file");
    return;
  }
  const bool standard = header.find('/') == std::string_view::npos && !header.ends_with(".h");
  if (file.room == "switchyard" && !standard)
    file.report(line, "library", "a public header includes <" + std::string(header) + ">", "the standard library only");
  const bool core = file.room == "core" || file.room == "core_values" || file.room == "policy";
  if (core && (listed_in(kNotInCore, header) || !standard))
    file.report(line, "core-header", "<" + std::string(header) + "> in " + std::string(file.room),
                "no thread, clock, I/O, atomic or float in core and policy");
}

void check_includes(const File& file) {
  for (std::size_t i = 0; i < file.code.size(); ++i) {
    const auto [header, mark] = included(file.code[i]);
    if (header.empty()) continue;
    if (header == "random")
      file.report(i, "random", "<random> draws differ from library to library", "use scheduler/base/rng.h");
    else if (mark == '"')
      check_own_header(file, i, header);
    else
      check_system_header(file, i, header);
  }
}

// ---- words --------------------------------------------------------------------------------------------------------

struct Ban {
  std::string_view rule, words;  // separated by spaces
  bool (*applies)(const File&);
  bool excusable;
  std::string_view remedy;
};

bool in_library(const File& f) { return f.room != "outside" && !f.room.empty(); }
bool decides(const File& f) { return listed_in("core core_values policy loop port sim_port", f.room); }
bool reads_no_clock(const File& f) {  // assembly decides nothing, and times what it ran
  return in_library(f) && f.room != "assembly" && !f.path.starts_with("scheduler/loop/live");
}
bool has_no_atomics(const File& f) { return in_library(f) && f.room != "sync"; }
bool always(const File&) { return true; }

constexpr Ban kBans[] = {
    {"clock",
     "steady_clock system_clock high_resolution_clock utc_clock tai_clock gps_clock file_clock clock_gettime "
     "gettimeofday "
     "timespec_get rdtsc __rdtsc __rdtscp time(nullptr) time(NULL) time(0)",
     reads_no_clock, true, "take `now` as an argument; scheduler/loop/live* reads the clock"},
    {"atomic", "std::atomic std::atomic_ref std::atomic_flag std::atomic_bool std::atomic_thread_fence", has_no_atomics,
     true, "use scheduler/sync, or say why beside it: // tidy: atomic <reason>"},
    {"unordered", "std::unordered_map std::unordered_set std::unordered_multimap std::unordered_multiset", decides,
     false, "its order is the library's; use indices, a sorted vector or std::map"},
    {"float", "float double", decides, false, "decisions are integers; floats stay in scheduler/cost"},
    {"random",
     "std::random_device std::mt19937 std::mt19937_64 std::default_random_engine std::rand srand drand48 rand()",
     always, false, "use scheduler/base/rng.h"},
};

// Whether a line uses a banned word other than to name a deadline's type: who sleeps until one reads no clock.
bool uses(std::string_view code, std::string_view word) {
  for (std::size_t at = find_word(code, word); at != std::string_view::npos; at = find_word(code, word, at + 1))
    if (!code.substr(at + word.size()).starts_with("::time_point")) return true;
  return false;
}

void check_words(const File& file) {
  for (const Ban& ban : kBans) {
    if (!ban.applies(file)) continue;
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      for (std::string_view words = ban.words; !words.empty();) {
        const std::size_t end = std::min(words.find(' '), words.size());
        const std::string_view word = words.substr(0, end);
        words.remove_prefix(std::min(end + 1, words.size()));
        if (uses(file.code[i], word) && !(ban.excusable && file.excused(i, ban.rule)))
          file.report(i, ban.rule, std::string(word), ban.remedy);
      }
    }
  }
}

// A literal like 1.5, 1. or 1e9 (not 0x1e9, not 1'000, not the 2.h of a file's name).
bool has_float_literal(std::string_view code) {
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (!std::isdigit(static_cast<unsigned char>(code[i])) || (i > 0 && (is_word(code[i - 1]) || code[i - 1] == '\'')))
      continue;
    const bool hexadecimal = code[i] == '0' && i + 1 < code.size() && (code[i + 1] == 'x' || code[i + 1] == 'X');
    for (; i < code.size() && (is_word(code[i]) || code[i] == '\'' || code[i] == '.'); ++i)
      if (!hexadecimal && (code[i] == '.' || code[i] == 'e' || code[i] == 'E')) return true;
  }
  return false;
}

void check_float_literals(const File& file) {
  if (!decides(file)) return;
  for (std::size_t i = 0; i < file.code.size(); ++i)
    if (included(file.code[i]).first.empty() && has_float_literal(file.code[i]))
      file.report(i, "float", "a floating literal", "decisions are integers; floats stay in scheduler/cost");
}

// ---- lines --------------------------------------------------------------------------------------------------------

// Folders that exist on one machine only.
constexpr std::string_view kMachineFolders[] = {"work", "root", "home", "farm", "Users", "mnt"};

bool names_a_machine_path(std::string_view line) {
  for (std::string_view folder : kMachineFolders) {
    const std::string path = "/" + std::string(folder) + "/";
    for (std::size_t at = line.find(path); at != std::string_view::npos; at = line.find(path, at + 1))
      if (at == 0 || (!is_word(line[at - 1]) && line[at - 1] != '.' && line[at - 1] != '}' && line[at - 1] != '/'))
        return true;
  }
  return false;
}

void check_lines(const File& file) {
  for (std::size_t i = 0; i < file.raw.size(); ++i) {
    const std::string_view line = file.raw[i];
    if (line.find('\t') != std::string_view::npos) file.report(i, "tab", "a tab", "two spaces");
    if (!line.empty() && is_blank(line.back())) file.report(i, "trailing", "blanks at the end", "remove them");
    if (is_narrow(file.path) && columns(line) > 120)
      file.report(i, "columns", std::to_string(columns(line)) + " columns", "at most 120");
    if (names_a_machine_path(line))
      file.report(i, "machine-path", "a path of one machine", "a path from the repository's root");
  }
}

void check_pragma_once(const File& file) {
  if (!is_header(file.path)) return;
  for (std::size_t i = 0; i < file.code.size(); ++i) {
    const std::string_view line = trimmed(file.code[i]);
    if (line.empty()) continue;
    if (line != "#pragma once") file.report(i, "pragma-once", "code before #pragma once", "a header begins with it");
    return;
  }
  file.report(0, "pragma-once", "a header without #pragma once", "a header begins with it");
}

}  // namespace

std::string to_line(const Finding& f) {
  return f.file + ":" + std::to_string(f.line) + ": " + f.rule + ": " + f.what + "; " + f.remedy;
}

std::vector<Finding> check_file(std::string_view path, std::string_view text) {
  std::vector<Finding> findings;
  const bool cpp = is_cpp(path);
  const Split split = cpp ? split_code(text) : Split{};
  const File file{path, room_of(path), lines_of(text), lines_of(split.code), lines_of(split.comments), findings};
  check_lines(file);
  if (cpp) {
    check_pragma_once(file);
    check_includes(file);
    check_words(file);
    check_float_literals(file);
  }
  std::sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.line, a.rule, a.what) < std::tie(b.line, b.rule, b.what);
  });
  return findings;
}

}  // namespace yard::tidy
