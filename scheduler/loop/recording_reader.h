// Reads a recording tick by tick, up to its end or to where it was cut.
//
// Memory: one frame (R2). Errors: InputError naming the file and the byte where a damaged frame begins. Cut and damaged
// are different things: a file that ends inside a frame, or before its end frame, was cut, and all whole frames before
// the cut are read; a frame that is there in full and does not match its checksums is an error.
// A frame whose checksums match is taken to be ours: its indices are checked, but not that Core would accept its
// history.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "scheduler/loop/recording.h"

namespace yard {

struct RecordedTick {
  Time now;
  std::span<Event> events;            // valid until the next tick is read; a prefix too: who re-enacts keeps it
  std::optional<std::uint64_t> hash;  // the decision hash after this tick, where the recording has it
};

class RecordingReader {
 public:
  // Opens and reads the head. Errors: InputError: unreadable, no recording, damaged.
  explicit RecordingReader(std::string path);

  // Returns: null when the recording was cut before the end of its head.
  const RecordingHead* head() const { return head_ ? &*head_ : nullptr; }

  // Returns: nothing at the end, and at a cut. Errors: InputError.
  std::optional<RecordedTick> next();

  // The byte at which the first frame that is not whole begins; nothing unless cut. Meaningful after next() gave
  // nothing.
  std::optional<std::uint64_t> cut_at() const { return cut_at_; }
  std::uint64_t ticks() const { return ticks_; }    // read so far
  std::uint64_t events() const { return events_; }  // read so far

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  struct FrameHead {
    std::uint32_t kind, raw, packed, crc;
  };

  std::size_t read(std::string& bytes, std::size_t n);
  std::optional<FrameHead> read_frame_head();
  bool read_frame();  // false: cut
  void open_ticks();
  void check_end();
  void read_tick(RecordedTick&);
  bool cut();
  [[noreturn]] void damaged(const char* what) const;

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t at_ = 0, frame_at_ = 0;  // bytes read; where the present frame begins
  std::optional<std::uint64_t> cut_at_;
  std::optional<RecordingHead> head_;

  std::string packed_, raw_;
  recording::Frame kind_{};
  wire::Reader rest_{{}};
  std::uint32_t left_in_frame_ = 0;
  bool ended_ = false;
  Time last_{std::numeric_limits<std::int64_t>::min()};
  std::uint64_t ticks_ = 0, events_ = 0, hash_ = 0;
  std::vector<Event> tick_;
  std::vector<SlotEnd> slots_;
  std::vector<BlockHash> hashes_;
  std::vector<std::uint32_t> of_it_;  // slots or hashes, by event
};

}  // namespace yard
