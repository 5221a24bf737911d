#include "scheduler/trace/gunzip.h"

#include <zlib.h>

#include <utility>

#include "scheduler/base/check.h"

namespace yard {

struct Gunzip::Stream {
  z_stream z{};
};

Gunzip::Gunzip(std::string first) : first_(std::move(first)), stream_(std::make_unique<Stream>()) {
  constexpr int kGzipOnly = 16;
  CHECK_WHY(inflateInit2(&stream_->z, MAX_WBITS + kGzipOnly) == Z_OK, "zlib: out of memory or of another version");
  stream_->z.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(first_.data()));
  stream_->z.avail_in = static_cast<uInt>(first_.size());
}

Gunzip::~Gunzip() { inflateEnd(&stream_->z); }

std::size_t Gunzip::take(char* to, std::size_t size) {
  z_stream& z = stream_->z;
  z.next_out = reinterpret_cast<Bytef*>(to);
  z.avail_out = static_cast<uInt>(size);
  for (bool more = !damaged_; more && z.avail_out > 0;) {
    if (!in_member_) {
      if (z.avail_in == 0) break;
      inflateReset(&z);  // another begins
      in_member_ = true;
    }
    const int result = inflate(&z, Z_NO_FLUSH);
    in_member_ = result != Z_STREAM_END;
    damaged_ = result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR;
    more = result == Z_OK || result == Z_STREAM_END;  // Z_BUF_ERROR: nothing left to do without more input
  }
  return size - z.avail_out;
}

void Gunzip::give(std::size_t bytes) {
  CHECK(stream_->z.avail_in == 0 && bytes <= input_.size());
  stream_->z.next_in = reinterpret_cast<Bytef*>(input_.data());
  stream_->z.avail_in = static_cast<uInt>(bytes);
}

}  // namespace yard
