#include "scheduler/base/csv_cells.h"

#include <algorithm>

namespace yard {

CsvFault split_csv(std::string_view line, std::vector<std::string_view>& cells, std::vector<bool>* quoted) {
  cells.clear();
  if (quoted) quoted->clear();
  if (line.find('\0') != std::string_view::npos)
    return {"found a NUL byte", "", "accepted: text (is the file cut, compressed or in UTF-16?)"};
  for (std::size_t at = 0;;) {
    std::size_t end;
    const bool in_quotes = at < line.size() && line[at] == '"';
    if (in_quotes) {
      end = at + 1;
      while (end < line.size() && (line[end] != '"' || (end + 1 < line.size() && line[end + 1] == '"')))
        end += line[end] == '"' ? 2 : 1;
      if (end >= line.size()) return {"found a quote that is not closed: ", line.substr(at), "accepted: \"cell\""};
      cells.push_back(line.substr(at + 1, end - at - 1));
      if (++end < line.size() && line[end] != ',')
        return {"found text behind a closing quote: ", line.substr(at), "accepted: a comma"};
    } else {
      end = std::min(line.find(',', at), line.size());
      cells.push_back(line.substr(at, end - at));
    }
    if (quoted) quoted->push_back(in_quotes);
    if (end == line.size()) return {};
    at = end + 1;
  }
}

}  // namespace yard
