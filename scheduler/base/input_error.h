// What is wrong with something a user gave us, in one line: where, what was found, what would be right.
//
//   fleet.yaml:14: pools[2].accelerator: found 'h100-sx'; accepted: a chip id, nearest is 'h100-sxm'
//
// Thrown by readers at start; the command line prints it and exits with 2. Never thrown by the data plane.
#pragma once
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace yard {

struct InputError : std::runtime_error {
  InputError(std::string file, int line, std::string key, std::string found, std::string accepted);

  std::string file;      // as the user wrote it; empty where there is none
  int line;              // from 1; 0 where there is none
  std::string key;       // column, YAML path or flag
  std::string found;     // already shortened and made printable
  std::string accepted;  // the remedy
};

// Returns: `text` fit for a one-line message: control bytes and what is no UTF-8 as \xNN, at most 60 characters, then
// "...".
std::string printable(std::string_view text);

// Returns: the name nearest to `word` by edit distance; empty when there are no names.
std::string_view nearest(std::string_view word, std::span<const std::string_view> names);

// Returns: "a, b, c", for messages that list what is accepted.
std::string listed(std::span<const std::string_view> names);

// Reads a whole regular file, at most `max_bytes`. Errors: InputError naming the path: missing, a directory,
// unreadable, or larger than the limit.
std::string read_file(const std::string& path, std::size_t max_bytes);

}  // namespace yard
