// Whether two names that a user gave stand for one file: no output may lie on another one or on what is read.
#pragma once
#include <string>

namespace yard {

// Empty names stand for none, devices (/dev/null) for as many as they are named.
bool same_file(const std::string& a, const std::string& b);

}  // namespace yard
