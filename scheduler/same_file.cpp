#include "scheduler/same_file.h"

#include <filesystem>
#include <system_error>

namespace yard {

bool same_file(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  namespace fs = std::filesystem;
  std::error_code ignored;
  const auto kind = fs::status(a, ignored).type();
  if (a != "-" && kind != fs::file_type::regular && kind != fs::file_type::not_found) return false;  // /dev/null twice
  return fs::absolute(a, ignored).lexically_normal() == fs::absolute(b, ignored).lexically_normal() ||
         fs::equivalent(a, b, ignored);
}

}  // namespace yard
