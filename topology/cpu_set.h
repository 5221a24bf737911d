// A set of hardware threads, named by the operating system's numbers for them (0 .. kMaxCpus - 1).
//
// S1  words_ has no trailing zero word, so that equal sets are equal values.
#pragma once
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/check.h"

namespace yard {

class CpuSet {
 public:
  static constexpr std::uint32_t kMaxCpus = 8192;  // Linux's largest NR_CPUS (x86-64, MAXSMP)

  void add(std::uint32_t cpu) {
    CHECK(cpu < kMaxCpus);
    if (cpu / 64 >= words_.size()) words_.resize(cpu / 64 + 1);
    words_[cpu / 64] |= std::uint64_t{1} << cpu % 64;
  }
  bool has(std::uint32_t cpu) const { return cpu / 64 < words_.size() && (words_[cpu / 64] >> cpu % 64 & 1); }
  bool empty() const { return words_.empty(); }
  std::uint32_t count() const {
    std::uint32_t n = 0;
    for (const auto w : words_) n += static_cast<std::uint32_t>(std::popcount(w));
    return n;
  }
  // Returns: the lowest number; kMaxCpus when empty, so that empty sets sort last.
  std::uint32_t first() const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if (words_[i])
        return static_cast<std::uint32_t>(i * 64) + static_cast<std::uint32_t>(std::countr_zero(words_[i]));
    return kMaxCpus;
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      for (std::uint64_t w = words_[i]; w; w &= w - 1)
        visit(static_cast<std::uint32_t>(i * 64) + static_cast<std::uint32_t>(std::countr_zero(w)));
  }

  bool operator==(const CpuSet&) const = default;
  bool inside(const CpuSet& other) const { return (*this & other) == *this; }
  bool meets(const CpuSet& other) const { return !(*this & other).empty(); }
  friend CpuSet operator&(const CpuSet& a, const CpuSet& b) {
    CpuSet out;
    out.words_.resize(std::min(a.words_.size(), b.words_.size()));
    for (std::size_t i = 0; i < out.words_.size(); ++i) out.words_[i] = a.words_[i] & b.words_[i];
    while (!out.words_.empty() && out.words_.back() == 0) out.words_.pop_back();
    return out;
  }
  friend CpuSet operator|(const CpuSet& a, const CpuSet& b) {
    CpuSet out = a.words_.size() < b.words_.size() ? b : a;
    const CpuSet& less = a.words_.size() < b.words_.size() ? a : b;
    for (std::size_t i = 0; i < less.words_.size(); ++i) out.words_[i] |= less.words_[i];
    return out;
  }

  // Returns: "0-3,8", as the kernel writes it; "" when empty.
  std::string text() const {
    std::string out;
    std::uint32_t from = kMaxCpus, to = kMaxCpus;
    const auto flush = [&] {
      if (from == kMaxCpus) return;
      out += (out.empty() ? "" : ",") + std::to_string(from);
      if (to != from) out += "-" + std::to_string(to);
    };
    for_each([&](std::uint32_t cpu) {
      if (from != kMaxCpus && cpu == to + 1) {
        to = cpu;
        return;
      }
      flush();
      from = to = cpu;
    });
    flush();
    return out;
  }

  // Returns: the set that such a text names; nothing when it is not one or names a number out of range.
  static std::optional<CpuSet> parse(std::string_view text) {
    CpuSet out;
    while (!text.empty()) {
      std::uint32_t from = 0, to = 0;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), from);
      if (error != std::errc()) return std::nullopt;
      text.remove_prefix(static_cast<std::size_t>(end - text.data()));
      to = from;
      if (!text.empty() && text.front() == '-') {
        text.remove_prefix(1);
        auto [stop, wrong] = std::from_chars(text.data(), text.data() + text.size(), to);
        if (wrong != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
      }
      if (from > to || to >= kMaxCpus) return std::nullopt;
      for (std::uint32_t cpu = from; cpu <= to; ++cpu) out.add(cpu);
      if (text.empty()) break;
      if (text.front() != ',' || text.size() == 1) return std::nullopt;
      text.remove_prefix(1);
    }
    return out;
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace yard
