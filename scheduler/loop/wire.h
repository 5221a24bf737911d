// Values as bytes, field by field, little endian, of fixed width. One list of fields serves both directions.
//
//   template <class Io> void fields(Io& io, auto& bounds) { io(bounds.sequences); io(bounds.steps_per_run); }
//
// W1  a reader never reads beyond its bytes, and believes no count that its bytes could not hold.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "scheduler/base/id.h"
#include "scheduler/base/units.h"

namespace yard::wire {

struct Malformed {
  const char* what;  // static text
};

template <class E>
concept Enum = std::is_enum_v<E>;
template <class E>
concept Choice = std::is_enum_v<E> || std::is_same_v<E, bool>;

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <std::integral N>
  void operator()(const N& n) {
    auto bits = static_cast<std::uint64_t>(n);
    char bytes[sizeof(N)];
    for (char& byte : bytes) {
      byte = static_cast<char>(bits & 0xff);
      bits >>= 8;
    }
    out_.append(bytes, sizeof bytes);
  }
  template <class T, class R>
  void operator()(const Quantity<T, R>& q) {
    (*this)(q.count());
  }
  void operator()(const Time& t) { (*this)(t.ns()); }
  template <class T>
  void operator()(const Index<T>& i) {
    (*this)(i.value);
  }
  template <class T>
  void operator()(const Handle<T>& h) {
    (*this)(h.index);
    (*this)(h.generation);
  }
  template <class Id>
  void operator()(const Mask<Id>& m) {
    (*this)(m.bits);
  }
  void operator()(const std::string& s) {
    (*this)(static_cast<std::uint32_t>(s.size()));
    out_ += s;
  }
  // An enum of `n` values, or a bool.
  template <Choice E>
  void one_of(const E& e, unsigned) {
    (*this)(static_cast<std::uint8_t>(e));
  }
  // `each(io, item)` writes one item. `least`: bytes of the smallest.
  template <class T, class Each>
  void list(const std::vector<T>& items, std::size_t, Each each) {
    (*this)(static_cast<std::uint32_t>(items.size()));
    for (const T& item : items) each(*this, item);
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <std::integral N>
  void operator()(N& n) {
    const std::string_view bytes = take(sizeof(N));
    std::uint64_t bits = 0;
    for (std::size_t i = sizeof(N); i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
    n = static_cast<N>(bits);
  }
  template <class T, class R>
  void operator()(Quantity<T, R>& q) {
    R n;
    (*this)(n);
    q = Quantity<T, R>(n);
  }
  void operator()(Time& t) {
    std::int64_t ns;
    (*this)(ns);
    t = Time(ns);
  }
  template <class T>
  void operator()(Index<T>& i) {
    (*this)(i.value);
  }
  template <class T>
  void operator()(Handle<T>& h) {
    (*this)(h.index);
    (*this)(h.generation);
  }
  template <class Id>
  void operator()(Mask<Id>& m) {
    (*this)(m.bits);
  }
  void operator()(std::string& s) {
    std::uint32_t size;
    (*this)(size);
    s = std::string(take(size));
  }
  template <Choice E>
  void one_of(E& e, unsigned n) {
    std::uint8_t value;
    (*this)(value);
    if (value >= n) throw Malformed{"a value of no meaning"};
    e = static_cast<E>(value);
  }
  template <class T, class Each>
  void list(std::vector<T>& items, std::size_t least, Each each) {
    std::uint32_t size;
    (*this)(size);
    if (size > rest_.size() / least) throw Malformed{"a count beyond the bytes there are"};
    items.resize(size);
    for (T& item : items) each(*this, item);
  }

  std::size_t left() const { return rest_.size(); }
  void expect_end() const {
    if (!rest_.empty()) throw Malformed{"bytes too many"};
  }

 private:
  std::string_view take(std::size_t n) {
    if (n > rest_.size()) throw Malformed{"bytes too few"};
    const std::string_view bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return bytes;
  }
  std::string_view rest_;
};

}  // namespace yard::wire
