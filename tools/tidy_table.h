// The room table as data, for the rules.
#pragma once
#include <string_view>

namespace yard::tidy {

// A library by the beginning of its headers' names, and the rooms that may see it; outside and assembly may see any.
struct Library {
  std::string_view prefix, name;
  std::string_view anywhere;  // rooms that may include it in headers too, separated by spaces
  std::string_view in_cpp;    // rooms that may include it in .cpp, .cu and .cuh files only
};

// Returns: null where the header is of no library in the table.
const Library* library_of(std::string_view header);

bool is_room(std::string_view name);

// Returns: what a room may enter beside itself and base, separated by spaces; "*": all; "nothing": not even base.
std::string_view entered_by(std::string_view room);

bool listed_in(std::string_view list, std::string_view word);

}  // namespace yard::tidy
