#include "scheduler/trace/trace_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace yard {

std::shared_ptr<const TraceRows> TraceRows::read(TraceReader& from, const std::string& name, const RowsKept& kept) {
  const auto fail = [&](const std::string& found, const std::string& accepted) {
    throw InputError(name, 0, "", found, accepted);
  };
  auto all = std::make_shared<TraceRows>();
  std::int64_t first_ns = 0;
  for (std::optional<TraceRow> row; (row = from.next());) {
    if (row->prompt.count() + std::int64_t{row->output.count()} > kept.longest.count()) continue;
    if (all->rows_.empty()) first_ns = row->arrival.ns();
    if (row->arrival.ns() - first_ns >= kept.span.count()) break;
    if (all->rows_.size() == kMostRows)
      fail(fmt::format("found more than {} rows", kMostRows), "accepted: fewer, to be held in memory");
    const auto begin = static_cast<std::uint32_t>(all->names_.size());
    if (row->prefix_block.count() > 0) {
      const Tokens block = kept.block.count() > 0 ? kept.block : row->prefix_block;
      if (block.count() % row->prefix_block.count() != 0)
        fail(fmt::format("found blocks of {} tokens", row->prefix_block.count()),
             fmt::format("accepted: blocks that divide {} tokens", block.count()));
      const auto step = static_cast<std::size_t>(block.count() / row->prefix_block.count());
      for (std::size_t b = step - 1; b < row->prefix.size(); b += step) all->names_.push_back(row->prefix[b]);
      if (all->names_.size() > kMostNames)
        fail(fmt::format("found more than {} blocks", kMostNames), "accepted: fewer, to be held in memory");
      all->block_ = block;
    }
    all->has_max_output_ = all->has_max_output_ || row->max_output.has_value();
    all->has_answers_ = all->has_answers_ || row->answers > 1;
    all->has_adapters_ = all->has_adapters_ || row->adapter > 0;
    all->rows_.push_back({.arrival_ns = row->arrival.ns() - first_ns,
                          .session = row->session,
                          .names_begin = begin,
                          .names = static_cast<std::uint32_t>(all->names_.size()) - begin,
                          .answers = row->answers,
                          .adapter = row->adapter,
                          .prompt = row->prompt.count(),
                          .output = row->output.count(),
                          .max_output = row->max_output ? row->max_output->count() : -1});
  }
  if (all->rows_.empty()) fail("found no rows", "accepted: a trace of one row or more");
  const std::int64_t last_ns = all->rows_.back().arrival_ns;
  const auto gaps = static_cast<std::int64_t>(all->rows_.size() - 1);
  all->ring_ns_ = std::max<std::int64_t>(1, last_ns + (gaps > 0 ? last_ns / gaps : 0));
  return all;
}

TraceRow TraceRows::row(std::size_t i) const {
  const Row& r = rows_[i];
  TraceRow out{.arrival = Time(r.arrival_ns), .prompt = Tokens(r.prompt), .output = Tokens(r.output)};
  out.answers = r.answers;
  out.adapter = r.adapter;
  if (r.max_output >= 0) out.max_output = Tokens(r.max_output);
  out.prefix = std::span(names_).subspan(r.names_begin, r.names);
  if (has_prefix()) out.prefix_block = block_;
  out.session = r.session;
  return out;
}

}  // namespace yard
