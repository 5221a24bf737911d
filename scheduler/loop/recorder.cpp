#include "scheduler/loop/recorder.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <zstd.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/loop/recording.h"

namespace yard {
namespace {

constexpr int kLevel = 1;  // fixed-width integers compress well at any level; a tick pays for it
constexpr std::size_t kTicksHead = 8 + 4;

void put(std::string& bytes, std::size_t at, auto value) {
  std::string field;
  wire::Writer io(field);
  io(value);
  bytes.replace(at, field.size(), field);
}

}  // namespace

struct Recorder::Packer {
  struct Free {
    void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
  std::string packed;
};

Recorder::Recorder(std::string path) : path_(std::move(path)), packer_(std::make_unique<Packer>()) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored))
    throw InputError(path_, 0, "", "is a directory", "give a file name");
  file_ = std::fopen(path_.c_str(), "wb");
  if (!file_)
    throw InputError(path_, 0, "", fmt::format("cannot be written ({})", std::strerror(errno)), "check the folder");
  frame_.reserve(2 * recording::kFrameBytes);
  packer_->packed.reserve(ZSTD_compressBound(2 * recording::kFrameBytes));
  if (!packer_->context || std::fwrite(recording::kMagic.data(), 1, recording::kMagic.size(), file_) == 0)
    fail("cannot be written");
}

Recorder::~Recorder() {
  if (file_) std::fclose(file_);
}

void Recorder::head(const FleetView& fleet, const CostTables& tables, const PolicySet& policies, const Bounds& bounds,
                    Seed seed) noexcept {
  std::string raw = recording::encode(fleet, tables, policies, bounds, seed);
  write_frame(static_cast<std::uint32_t>(recording::Frame::head), raw);
}

void Recorder::event(const Event& event) noexcept {
  if (error_) return;
  try {
    open_tick();
    wire::Writer io(frame_);
    recording::encode(io, event);
  } catch (const std::exception& e) {
    return fail(e.what());
  }
  ++events_in_tick_;
}

void Recorder::ticked(Time now) noexcept {
  if (error_) return;
  try {
    open_tick();
  } catch (const std::exception& e) {
    return fail(e.what());
  }
  put(frame_, tick_at_, now);
  put(frame_, tick_at_ + 8, events_in_tick_);
  if (frame_.size() + 8 > recording::kMaxRaw || events_in_tick_ > recording::kMaxTickEvents)
    return fail("a tick is larger than a recording can hold");
  ++ticks_, ++ticks_in_frame_;
  events_ += std::exchange(events_in_tick_, 0);
  tick_at_ = 0;
}

void Recorder::open_tick() {
  if (tick_at_ != 0) return;
  wire::Writer io(frame_);
  if (ticks_in_frame_ == 0) io(ticks_), io(std::uint32_t{0});
  tick_at_ = frame_.size();
  io(Time()), io(std::uint32_t{0});
}

void Recorder::hash(std::uint64_t decisions) noexcept {
  decisions_ = decisions;
  if (frame_.size() >= recording::kFrameBytes) flush();
}

void Recorder::flush() noexcept {
  if (error_ || ticks_in_frame_ == 0) return;
  put(frame_, kTicksHead - 4, ticks_in_frame_);
  wire::Writer io(frame_);
  io(decisions_);
  write_frame(static_cast<std::uint32_t>(recording::Frame::ticks), frame_);
  ticks_in_frame_ = 0;
  frame_.clear();
}

void Recorder::finish() {
  flush();
  std::string raw;
  wire::Writer io(raw);
  io(ticks_), io(events_), io(decisions_);
  write_frame(static_cast<std::uint32_t>(recording::Frame::end), raw);
  if (file_ && std::fclose(std::exchange(file_, nullptr)) != 0) fail(std::strerror(errno));
  if (error_)
    throw InputError(path_, 0, "", *error_, "check the folder and the disk; what was recorded so far is kept");
}

void Recorder::write_frame(std::uint32_t kind, std::string& raw) noexcept {
  if (error_ || !file_) return;
  try {
    std::string& packed = packer_->packed;
    packed.resize(ZSTD_compressBound(raw.size()));
    const std::size_t size =
        ZSTD_compressCCtx(packer_->context.get(), packed.data(), packed.size(), raw.data(), raw.size(), kLevel);
    CHECK(!ZSTD_isError(size));
    packed.resize(size);
    std::string front;
    wire::Writer io(front);
    io(kind), io(static_cast<std::uint32_t>(raw.size())), io(static_cast<std::uint32_t>(size));
    io(recording::crc32c(packed));
    io(recording::crc32c(front));
    if (std::fwrite(front.data(), 1, front.size(), file_) != front.size() ||
        std::fwrite(packed.data(), 1, size, file_) != size || std::fflush(file_) != 0)
      fail(std::strerror(errno));
  } catch (const std::exception& e) {
    fail(e.what());
  }
}

void Recorder::fail(std::string why) noexcept {
  if (!error_) error_ = fmt::format("cannot be written to its end ({})", why);
}

}  // namespace yard
