// Reading of `gen:NAME?key=value&key=value`: the parts, and what a message says of a wrong one.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace yard {

// Where a value stands, for messages: `gen:azure-conv?rate`.
struct OptionPlace {
  std::string_view generator, key;

  // Throws an InputError. `found` empty: says that nothing was.
  [[noreturn]] void fail(std::string_view found, std::string accepted) const;
  // The same where `names` are all that is accepted; tells the nearest.
  [[noreturn]] void unknown(std::string_view found, std::span<const std::string_view> names) const;
  // Returns: a decimal number in millionths, exactly. Errors: none, outside of [least, most] or not whole millionths.
  std::uint64_t millionths(std::string_view text, std::uint64_t least, std::uint64_t most,
                           std::string_view accepted) const;
};

// Returns: NAME of `gen:NAME` or `gen:NAME?...`.
std::string_view generator_name(std::string_view whole);

// Calls `take` for each option in order. Errors: InputError: a key that is not among `keys`, or comes twice.
void each_option(std::string_view whole, std::span<const std::string_view> keys,
                 const std::function<void(const OptionPlace&, std::string_view value)>& take);

}  // namespace yard
