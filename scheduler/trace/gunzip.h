// What gzip made, undone piece by piece (RFC 1952, by zlib): compressed bytes in, what was compressed out.
//
// Threads: one. Owns: 64 KiB and zlib's window of about 45 KiB. Several members one behind the other are one file.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace yard {

class Gunzip {
 public:
  // Returns: whether a file that begins so was made by gzip.
  static constexpr bool begins(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

  explicit Gunzip(std::string first);  // the file's first bytes, however many
  ~Gunzip();

  // Returns: how many bytes were written to `to`; 0: more is needed, or what there was is damaged.
  // Requires: size > 0.
  std::size_t take(char* to, std::size_t size);

  // Once take() gave 0 and nothing is damaged: where the next compressed bytes go; then how many came.
  std::span<char> room() { return input_; }
  void give(std::size_t bytes);

  bool damaged() const { return damaged_; }
  bool whole() const { return !in_member_ && !damaged_; }  // may end here

 private:
  struct Stream;

  std::array<char, 64 * 1024> input_;
  const std::string first_;
  std::unique_ptr<Stream> stream_;
  bool in_member_ = true;  // its end was not reached
  bool damaged_ = false;
};

}  // namespace yard
