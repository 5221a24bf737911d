// A trace of agents' conversations, as kv-cache-tester publishes them in compact form (Fox, 2026: 710 sessions of
// Claude Code, Apache-2.0): a CSV file, one request a row, with how many blocks of its prompt were there before.
//
//   trace,agent,idx,t,type,model,in_tokens,out_tokens,n_blocks64,lcp_blocks_prev,seen_blocks,api_time,...
//
//   trace            the conversation; its rows stand together
//   agent            0, and 0.1, 0.2 .. for agents that it started; t: seconds since that agent's first request
//   n_blocks64       whole blocks of 64 tokens in the prompt: a row's prefix is as long
//   lcp_blocks_prev  blocks at the front that the same agent's request before had, too
//   seen_blocks      blocks at the front that any request before, in this conversation, had: lcp_blocks_prev or more
//   api_time         seconds that the answer took, as recorded; nothing: taken to be 0
//
// Columns go by name; others are ignored. Cells are plain (no quotes). Opened by the file's name, by that of a folder
// with requests_compact.csv.gz or requests_compact.csv in it, or as
//
//   gen:agentic?path=PATH&starts=SECONDS
//
//   starts   seconds from one conversation's start to the next, on average (exponential, from the seed): 0 (all at
//   once)
//            to 86400, at most six decimals; 10 where it is not given
//
// What is kept, and what is not:
// G1  A row's first seen_blocks names are those of an earlier row of its conversation, of the same agent's last for the
//     first lcp_blocks_prev, and all behind them are new. Where the two counts differ (0.4 % of the rows), the latest
//     row is taken that has so many blocks and forks from the last one just there; the file does not say which it was.
//     Where there is none, the latest that is long enough and agrees; else seen_blocks is taken to be lcp_blocks_prev.
// G2  No block is shared between conversations, though their tools and system prompts were alike in life.
// G3  When a conversation starts is not in the file: starts says. Within it times are as recorded (tenths of seconds),
//     whether or not the fleet at hand would have answered before: arrivals do not wait for answers.
// G4  An agent that was started begins when the starting agent's last request, of those before it in the file, was
//     answered: its t plus its api_time.
//
// Names of blocks are mixed from row and place alone: equal if and only if the blocks are (within one trace).
//
// Threads: one. Memory: 36 bytes a row, at most kMostRows rows, as the file is not in order of time. Cost: about
// 1 ns a block, 2 us a row of 1,460. Every error is an InputError with line and column; the file is read in the
// constructor.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/trace/lines.h"
#include "scheduler/trace/trace.h"

namespace yard {

struct AgenticSpec {
  std::string path;
  std::int64_t starts_ns = 10'000'000'000;
};

// `name`: with its `gen:agentic`. Errors: InputError.
AgenticSpec parse_agentic(std::string_view name);

class AgenticReader : public TraceReader {
 public:
  static constexpr std::size_t kMostRows = 1 << 22;
  static constexpr Tokens kBlock{64};

  // Requires: no line was taken yet.
  AgenticReader(LineReader, std::int64_t starts_ns, Seed);

  // Returns: whether a file whose first line this is would be one.
  static bool is_one(std::string_view first_line);

  // Returns: the file that a folder's trace is in, or nothing.
  static std::string file_in(const std::string& folder);

  std::optional<TraceRow> next() override;
  std::optional<std::uint64_t> rows() const override { return rows_.size(); }
  bool has_prefix() const override { return true; }

 private:
  struct Row {
    std::int64_t arrival_ns;
    std::int32_t prompt, output;
    std::uint32_t blocks;   // its own are [keep, blocks)
    std::uint32_t keep;     // the rest are the parent's; each parent up the line keeps fewer
    std::uint32_t parent;   // a row of the same conversation, read before
    std::uint32_t session;  // from 1
  };
  class Loader;

  static std::uint32_t owner_of(const std::vector<Row>&, std::uint32_t row, std::uint32_t block);

  std::vector<Row> rows_;             // as in the file
  std::vector<std::uint32_t> order_;  // of arrival
  std::size_t at_ = 0;
  std::vector<std::uint64_t> prefix_;  // of the present row
};

}  // namespace yard
