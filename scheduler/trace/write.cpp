// Traces out: see stat.h.
#include <concepts>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "scheduler/base/output_file.h"
#include "scheduler/trace/mooncake.h"
#include "scheduler/trace/stat.h"

namespace yard {
namespace {

// Text on its way to a file, by large pieces.
class Writer {
 public:
  explicit Writer(OutputFile& out) : out_(out) {}

  Writer& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  template <std::integral N>
  Writer& operator<<(N n) {
    const fmt::format_int digits(n);
    text_.append(digits.data(), digits.size());
    return *this;
  }
  void end_row() {
    text_ += '\n';
    if (text_.size() >= kChunk) flush();
  }
  void flush() {
    out_.write(text_);
    text_.clear();
  }

 private:
  static constexpr std::size_t kChunk = 64 * 1024;
  OutputFile& out_;
  std::string text_;
};

std::uint64_t write_json_lines(TraceReader& reader, OutputFile& out) {
  Writer to(out);
  std::uint64_t rows = 0;
  for (; const auto row = reader.next(); ++rows) {
    to << "{\"arrival_ns\": " << row->arrival.ns() << ", \"input_length\": " << row->prompt.count()
       << ", \"output_length\": " << row->output.count();
    if (row->max_output) to << ", \"max_tokens\": " << row->max_output->count();
    if (row->answers > 1) to << ", \"n\": " << row->answers;
    if (row->adapter > 0) to << ", \"adapter\": " << row->adapter;
    if (row->session != 0) to << ", \"session\": " << row->session;
    if (row->prefix_block.count() != 0 && row->prefix_block != MooncakeReader::kBlock)
      to << ", \"block_tokens\": " << row->prefix_block.count();
    to << ", \"prefix\": [";
    for (std::size_t i = 0; i < row->prefix.size(); ++i) to << (i == 0 ? "" : ", ") << row->prefix[i];
    to << "]}";
    to.end_row();
  }
  to.flush();
  return rows;
}

}  // namespace

std::uint64_t write_trace(TraceReader& reader, OutputFile& out) {
  return reader.has_prefix() ? write_json_lines(reader, out) : write_trace_csv(reader, out);
}

std::uint64_t write_trace_csv(TraceReader& reader, OutputFile& out) {
  const bool with_max = reader.has_max_output(), with_answers = reader.has_answers(),
             with_adapters = reader.has_adapters();
  Writer to(out);
  to << "arrival_ns,prompt_tokens,output_tokens" << (with_max ? ",max_tokens" : "") << (with_answers ? ",n" : "")
     << (with_adapters ? ",adapter" : "");
  to.end_row();
  std::uint64_t rows = 0;
  for (; const auto row = reader.next(); ++rows) {
    to << row->arrival.ns() << "," << row->prompt.count() << "," << row->output.count();
    if (with_max) to << ",";
    if (with_max && row->max_output) to << row->max_output->count();
    if (with_answers) to << "," << row->answers;
    if (with_adapters) to << ",";
    if (row->adapter > 0) to << row->adapter;
    to.end_row();
  }
  to.flush();
  return rows;
}

}  // namespace yard
