// A YAML document as a tree of plain values that know their lines.
//
// What is read here comes from strangers, so the reader is strict and bounded: one document of at most kMaxBytes,
// kMaxNodes nodes and kMaxDepth levels; UTF-8 without control bytes; no anchors, aliases or tags (an alias bomb needs
// them, a fleet does not); keys are plain scalars, each once. Time and memory are linear in the file.
//
// yaml-cpp is seen by document.cpp alone, which takes its events and never its Node: that one merges duplicate keys,
// expands aliases and forgets lines.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace yard::yaml {

inline constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxNodes = 200'000;
inline constexpr std::size_t kMaxDepth = 16;
inline constexpr std::size_t kMaxKeys = 128;  // of one map
// Bytes that may begin a token. yaml-cpp reads ahead to the end of a flow collection, 240 bytes a token, before it says
// a word: 4 MiB of '[' would cost 1 GB.
inline constexpr std::size_t kMaxMarks = 400'000;

enum class Kind { nothing, scalar, list, map };

struct Node {
  struct Key {
    std::string name;
    int line;
  };
  Kind kind = Kind::nothing;
  int line = 0;             // from 1
  bool quoted = false;      // a scalar in quotes is text, whatever it looks like
  std::string text;         // of a scalar
  std::vector<Key> keys;    // of a map, beside items
  std::vector<Node> items;  // of a list or a map, in the file's order
};

struct Document {
  std::string file;  // for messages only
  Node root;         // Kind::nothing when the text holds no document
};

// Errors: InputError naming file, line and, for a duplicate key, the key.
Document parse(std::string file, std::string_view text);

// Reads the file first. Errors: as parse(), and those of read_file().
Document parse_file(const std::string& path);

}  // namespace yard::yaml
