// The house rules that a program can check: the room table of scheduler/README.md (who may include whom), banned words,
// and the shape of a line. Pure functions over a file's text, so that the tests feed them snippets.
//
// A word that a rule bans may stand where a comment on its line, or on the line before, says why:
//   std::atomic<bool> stop_;  // tidy: atomic, written by the caller's thread
// That holds for `atomic` and `clock`; the other rules know no exception.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace yard::tidy {

struct Finding {
  std::string file;  // from the repository's root
  int line;          // from 1
  std::string rule, what, remedy;
};

// Returns: "file:line: rule: what; remedy".
std::string to_line(const Finding& finding);

// A C++ file split for the rules: both have the text's length and its line ends, the rest of either is blank.
struct Split {
  std::string code;      // without comments, and with empty literals; #include lines keep their file names
  std::string comments;  // comments only
};
Split split_code(std::string_view text);

// Returns: the room that a file (from the repository's root) lies in; empty outside the rooms.
std::string_view room_of(std::string_view path);

// Returns: what is wrong in one file. Files of unknown kinds have no findings.
std::vector<Finding> check_file(std::string_view path, std::string_view text);

// Returns: true where `room` may include the headers of `other`.
bool may_enter(std::string_view room, std::string_view other);

}  // namespace yard::tidy
