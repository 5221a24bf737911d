#include "scheduler/loop/recording_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <zstd.h>

#include "scheduler/base/input_error.h"

namespace yard {

using recording::Frame;

RecordingReader::RecordingReader(std::string path) : path_(std::move(path)) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored))
    throw InputError(path_, 0, "", "is a directory", "give a recording");
  file_.reset(std::fopen(path_.c_str(), "rb"));
  if (!file_)
    throw InputError(path_, 0, "", fmt::format("cannot be read ({})", std::strerror(errno)), "give a recording");
  std::string magic;
  read(magic, recording::kMagic.size());
  if (!recording::kMagic.starts_with(magic))
    throw InputError(path_, 0, "byte 0", fmt::format("found '{}'", printable(magic)),
                     "accepted: a recording of this version, as written by --record or record_to");
  if (magic.size() < recording::kMagic.size()) {
    cut();
    return;
  }
  if (!read_frame()) return;
  if (kind_ != Frame::head) damaged("no head in front");
  try {
    head_ = recording::decode_head(raw_);
  } catch (const wire::Malformed& e) {
    damaged(e.what);
  }
}

std::optional<RecordedTick> RecordingReader::next() {
  while (left_in_frame_ == 0) {
    if (ended_ || cut_at_) return std::nullopt;
    if (!read_frame()) return std::nullopt;
    try {
      switch (kind_) {
        case Frame::head: damaged("a second head");
        case Frame::ticks: open_ticks(); break;
        case Frame::end: check_end(); return std::nullopt;
      }
    } catch (const wire::Malformed& e) {
      damaged(e.what);
    }
  }
  RecordedTick tick;
  try {
    read_tick(tick);
  } catch (const wire::Malformed& e) {
    damaged(e.what);
  }
  return tick;
}

void RecordingReader::open_ticks() {
  rest_ = wire::Reader(raw_);
  std::uint64_t first;
  rest_(first), rest_(left_in_frame_);
  if (first != ticks_ || left_in_frame_ == 0) throw wire::Malformed{"a frame of ticks is missing before it"};
}

void RecordingReader::read_tick(RecordedTick& tick) {
  std::uint32_t count;
  rest_(tick.now), rest_(count);
  if (tick.now < last_) throw wire::Malformed{"time goes back"};
  if (count > std::min<std::size_t>(recording::kMaxTickEvents, rest_.left())) throw wire::Malformed{"too many events"};
  last_ = tick.now;
  tick_.clear(), slots_.clear(), hashes_.clear(), of_it_.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    tick_.push_back(recording::decode_event(rest_, slots_, hashes_, of_it_.emplace_back()));
    recording::check_event(tick_.back(), head_->fleet);
  }
  std::size_t slot = 0, hash = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (auto* run = std::get_if<RunEnded>(&tick_[i]))
      run->slots = std::span(slots_).subspan(slot, of_it_[i]), slot += of_it_[i];
    if (auto* request = std::get_if<Submitted>(&tick_[i]))
      request->prefix = std::span(hashes_).subspan(hash, of_it_[i]), hash += of_it_[i];
    if (auto* offer = std::get_if<OfferSeen>(&tick_[i]))
      offer->facts.prefix = std::span(hashes_).subspan(hash, of_it_[i]), hash += of_it_[i];
    if (auto* handed = std::get_if<Handed>(&tick_[i]))
      handed->facts.prefix = std::span(hashes_).subspan(hash, of_it_[i]), hash += of_it_[i];
    if (auto* blocks = std::get_if<BlocksChanged>(&tick_[i]))
      blocks->blocks = std::span(hashes_).subspan(hash, of_it_[i]), hash += of_it_[i];
  }
  ++ticks_;
  events_ += count;
  tick.events = tick_;
  if (--left_in_frame_ > 0) return;
  rest_(hash_);
  rest_.expect_end();
  tick.hash = hash_;
}

void RecordingReader::check_end() {
  wire::Reader io(raw_);
  std::uint64_t ticks, events, hash;
  io(ticks), io(events), io(hash);
  io.expect_end();
  if (ticks != ticks_ || events != events_ || hash != hash_)
    throw wire::Malformed{"an end that does not fit its ticks"};
  std::string more;
  if (read(more, 1) != 0) throw wire::Malformed{"bytes after the end"};
  ended_ = true;
}

bool RecordingReader::read_frame() {
  frame_at_ = at_;
  const std::optional<FrameHead> front = read_frame_head();
  if (!front) return cut();
  if (read(packed_, front->packed) < front->packed) return cut();
  if (recording::crc32c(packed_) != front->crc) damaged("a checksum that does not match");
  raw_.resize(front->raw);
  const std::size_t size = ZSTD_decompress(raw_.data(), raw_.size(), packed_.data(), packed_.size());
  if (ZSTD_isError(size) || size != raw_.size()) damaged("bytes that cannot be unpacked");
  kind_ = static_cast<Frame>(front->kind);
  return true;
}

std::optional<RecordingReader::FrameHead> RecordingReader::read_frame_head() {
  std::string bytes;
  if (read(bytes, recording::kFrameHead) < recording::kFrameHead) return std::nullopt;
  FrameHead front;
  std::uint32_t crc;
  wire::Reader io(bytes);
  io(front.kind), io(front.raw), io(front.packed), io(front.crc), io(crc);
  if (crc != recording::crc32c(std::string_view(bytes).substr(0, recording::kFrameHead - 4)))
    damaged("a checksum that does not match");
  if (front.kind < 1 || front.kind > 3) damaged("a frame of no known kind");
  if (front.raw > recording::kMaxRaw || front.packed > ZSTD_compressBound(recording::kMaxRaw))
    damaged("a frame larger than any");
  return front;
}

// Returns: how many bytes there were, at most n. Grows with what is there, not with what is promised.
std::size_t RecordingReader::read(std::string& bytes, std::size_t n) {
  constexpr std::size_t kPiece = 1 << 20;
  bytes.clear();
  while (bytes.size() < n) {
    const std::size_t before = bytes.size();
    bytes.resize(std::min(n, before + kPiece));
    const std::size_t got = std::fread(bytes.data() + before, 1, bytes.size() - before, file_.get());
    bytes.resize(before + got);
    at_ += got;
    if (got > 0) continue;
    if (std::ferror(file_.get())) throw InputError(path_, 0, "", "cannot be read to its end", "check the disk");
    break;
  }
  return bytes.size();
}

bool RecordingReader::cut() {
  cut_at_ = frame_at_;
  return false;
}

void RecordingReader::damaged(const char* what) const {
  throw InputError(path_, 0, fmt::format("byte {}", frame_at_), what,
                   fmt::format("accepted: an undamaged recording; the {} ticks before are whole", ticks_));
}

}  // namespace yard
