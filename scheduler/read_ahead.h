// Arrivals made by a thread of their own, so that reading a trace and deciding overlap. The same arrivals, in order.
//
// Threads: next() from one; the source is the other's alone. At most kBlocks * kRows rows ahead.
// Errors: one of the source's comes out where its row would have.
#pragma once
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <tbb/concurrent_queue.h>

#include "scheduler/loop/sim_loop.h"

namespace yard {

class ReadAhead final : public ArrivalSource {
 public:
  explicit ReadAhead(std::unique_ptr<ArrivalSource> source) : source_(std::move(source)) {
    blocks_.set_capacity(kBlocks);
    thread_ = std::thread([this] { fill(); });
  }
  ~ReadAhead() override {
    blocks_.abort();
    thread_.join();
  }

  std::optional<Arrival> next() override {
    while (at_ == block_.rows.size()) {
      if (block_.last) {
        if (block_.error) std::rethrow_exception(block_.error);
        return std::nullopt;
      }
      blocks_.pop(block_);
      at_ = hash_ = 0;
    }
    Arrival& row = block_.rows[at_++];
    row.facts.prefix = std::span(block_.hashes).subspan(hash_, row.facts.prefix.size());
    hash_ += row.facts.prefix.size();
    return row;
  }

 private:
  static constexpr std::size_t kRows = 1024, kBlocks = 16;
  struct Block {
    std::vector<Arrival> rows;
    std::vector<BlockHash> hashes;  // of all rows, one after another; spans are set as rows are given out
    bool last = false;
    std::exception_ptr error;
  };

  void fill() {
    try {
      for (bool more = true; more;) {
        Block block;
        block.rows.reserve(kRows);
        try {
          while (more && block.rows.size() < kRows) {
            const auto row = source_->next();
            if (row) {
              block.rows.push_back(*row);
              block.hashes.insert(block.hashes.end(), row->facts.prefix.begin(), row->facts.prefix.end());
            }
            more = row.has_value();
          }
        } catch (...) {
          block.error = std::current_exception();
          more = false;
        }
        block.last = !more;
        blocks_.push(std::move(block));
      }
    } catch (const tbb::user_abort&) {  // the simulation ended before its trace did
    }
  }

  const std::unique_ptr<ArrivalSource> source_;
  tbb::concurrent_bounded_queue<Block> blocks_;
  std::thread thread_;
  Block block_;
  std::size_t at_ = 0, hash_ = 0;
};

}  // namespace yard
