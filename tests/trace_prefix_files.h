// What the tests of traces with prefixes share: rows kept with their blocks, and gzip's bytes.
#pragma once
#include <zlib.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "scheduler/base/hash.h"
#include "tests/trace_files.h"

namespace yard::testing {

// A row and what its span pointed to.
struct KeptRow {
  TraceRow row;
  std::vector<std::uint64_t> prefix;
};

inline std::vector<KeptRow> kept_rows(TraceReader& reader) {
  std::vector<KeptRow> rows;
  while (const auto row = reader.next()) rows.push_back({*row, {row->prefix.begin(), row->prefix.end()}});
  return rows;
}
inline std::vector<KeptRow> kept_rows(const std::string& name, Seed seed = 1, std::uint64_t limit = 0,
                                      double scale = 1.0) {
  return kept_rows(*open_trace(name, seed, limit, scale));
}

// Blocks that both prompts begin with.
inline std::size_t shared_blocks(const KeptRow& a, const KeptRow& b) {
  return static_cast<std::size_t>(
      std::mismatch(a.prefix.begin(), a.prefix.end(), b.prefix.begin(), b.prefix.end()).first - a.prefix.begin());
}

// Each row's blocks by letters in the order in which they first came: "abc ab ad".
inline std::string lettered(const std::vector<KeptRow>& rows) {
  std::map<std::uint64_t, char> letters;
  std::string out;
  for (const KeptRow& kept : rows) {
    if (!out.empty()) out += ' ';
    if (kept.prefix.empty()) out += '-';
    for (const std::uint64_t name : kept.prefix)
      out += letters.emplace(name, static_cast<char>('a' + letters.size())).first->second;
  }
  return out;
}

inline std::uint64_t hash_of(TraceReader& reader) {
  DecisionHash hash;
  while (const auto row = reader.next()) {
    hash.add(static_cast<std::uint64_t>(row->arrival.ns()));
    hash.add(static_cast<std::uint64_t>(row->prompt.count()));
    hash.add(static_cast<std::uint64_t>(row->output.count()));
    hash.add(row->session);
    hash.add(static_cast<std::uint64_t>(row->prefix_block.count()));
    for (const std::uint64_t name : row->prefix) hash.add(name);
  }
  return hash.value();
}

inline std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline std::string gzipped(std::string_view text) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 1024, '\0');
  std::string in(text);
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

}  // namespace yard::testing
