#include "scheduler/trace/vllm_run.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/lines.h"
#include "scheduler/trace/trace.h"

namespace yard {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;

constexpr int kDeepest = 4;
constexpr std::size_t kMostMeta = 4 << 20, kMostLine = 8 << 20, kMostRequests = 1'000'000;

// A value of a JSON file and where it stands.
class Value {
 public:
  Value(const std::string& file, int line, std::string path, dom::element element)
      : file_(&file), line_(line), path_(std::move(path)), element_(element) {}

  std::optional<Value> get(std::string_view key) const {
    dom::element found;
    if (element_.at_key(key).get(found) || found.is_null()) return std::nullopt;
    return Value(*file_, line_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key), found);
  }
  Value need(std::string_view key) const {
    if (auto value = get(key)) return *std::move(value);
    throw InputError(*file_, line_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key),
                     "found no such key", "accepted: a recorded run of a vLLM engine");
  }
  std::int64_t whole(std::int64_t least, std::int64_t most) const {
    std::int64_t n = 0;
    if (element_.get(n) || n < least || n > most) refuse(fmt::format("a whole number from {} to {}", least, most));
    return n;
  }
  double seconds() const {
    double s = 0;
    if (element_.get(s) || !(s >= 0 && s < 4e9)) refuse("seconds, below 4e9");
    return s;
  }
  std::string text() const {
    std::string_view s;
    if (element_.get(s) || s.empty() || s.size() > 400) refuse("a text");
    return std::string(s);
  }
  bool flag() const {
    bool b = false;
    if (element_.get(b)) refuse("true or false");
    return b;
  }
  dom::array list() const {
    dom::array items;
    if (element_.get(items)) refuse("a list");
    return items;
  }
  Value item(std::size_t i, dom::element element) const {
    return Value(*file_, line_, fmt::format("{}[{}]", path_, i), element);
  }
  [[noreturn]] void refuse(std::string accepted) const {
    throw InputError(*file_, line_, path_, fmt::format("found '{}'", printable(simdjson::minify(element_))),
                     "accepted: " + std::move(accepted));
  }

 private:
  const std::string* file_;
  int line_;
  std::string path_;
  dom::element element_;
};

// Calls `take` with the value of a whole file.
template <class Take>
void with_json(const std::string& file, const Take& take) {
  const std::string text = read_file(file, kMostMeta);
  dom::parser parser;
  dom::element root;
  if (parser.parse(text).get(root))
    throw InputError(file, 0, "", "found no valid JSON", "accepted: one JSON object (is the file cut?)");
  take(Value(file, 0, "", root));
}

// Calls `take` with the value of each line of a file.
template <class Take>
void with_json_lines(const std::string& file, const Take& take) {
  LineReader lines(file);
  lines.allow_lines_of(kMostLine);
  dom::parser parser;
  std::string_view line;
  while (lines.next(line)) {
    if (line.empty()) continue;
    dom::element root;
    if (parser.parse(line.data(), line.size()).get(root))
      throw InputError(file, lines.shown_number(), "", fmt::format("found '{}'", printable(line)),
                       "accepted: one JSON object a line (is the file cut?)");
    take(Value(file, lines.shown_number(), "", root));
  }
}

void read_settings(const Value& meta, VllmRun& run) {
  run.model = meta.need("model").text();
  run.version = meta.need("vllm_version").text();
  const Value engine = meta.need("engine_kwargs");
  run.max_sequences = static_cast<std::uint32_t>(engine.need("max_num_seqs").whole(1, 1024));
  run.token_budget = Tokens(engine.need("max_num_batched_tokens").whole(1, 1 << 20));
  run.tp = static_cast<std::uint32_t>(engine.need("tensor_parallel_size").whole(1, 1024));
  if (const auto n = engine.get("max_model_len")) run.max_context = Tokens(n->whole(2, 1 << 20));
  if (const auto cache = meta.get("kv_cache")) {
    run.kv_blocks = Blocks(cache->need("num_gpu_blocks").whole(2, 1'000'000'000));
    run.block_tokens = Tokens(cache->need("block_size").whole(1, 4096));
    run.prefix_cache = cache->need("enable_prefix_caching").flag();
  }
}

void read_hardware(const Value& config, VllmRun& run) {
  for (const dom::element node : config.need("nodes").list())
    for (const dom::element instance : config.item(0, node).need("instances").list()) {
      run.chip = config.item(0, instance).need("hardware").text();
      return;
    }
  config.need("nodes").refuse("at least one node with one instance");
}

// The stream that the run served: the file of that name, here or above.
std::string stream_of(const Value& dataset, const std::string& folder) {
  const fs::path name = fs::path(dataset.text()).filename();
  fs::path place(folder);
  for (int up = 0; up <= kDeepest; ++up, place /= "..")
    if (fs::path file = (place / name).lexically_normal(); fs::exists(file)) return file.string();
  dataset.refuse(fmt::format("a name that lies in the run's folder or at most {} above it", kDeepest));
}

void read_prompts(const std::string& file, VllmRun& run) {
  with_json_lines(file, [&](const Value& row) {
    if (run.requests.size() == kMostRequests) row.refuse(fmt::format("at most {} requests", kMostRequests));
    VllmRequest& request = run.requests.emplace_back();
    request.prompt = Tokens(row.need("input_toks").whole(1, kMostTokens.count()));
    request.output = Tokens(row.need("output_toks").whole(1, kMostTokens.count()));
    const Value tokens = row.need("input_tok_ids");
    std::size_t i = 0;
    for (const dom::element token : tokens.list())
      request.tokens.push_back(
          static_cast<std::int32_t>(tokens.item(i++, token).whole(0, std::numeric_limits<std::int32_t>::max())));
    if (static_cast<std::int64_t>(request.tokens.size()) != request.prompt.count())
      tokens.refuse(fmt::format("{} tokens, as input_toks says", request.prompt.count()));
  });
}

// Seconds of one request, as recorded.
struct Seconds {
  double arrival, queued, scheduled, first, last;
};

void read_answers(const std::string& file, VllmRun& run) {
  std::vector<Seconds> recorded;
  with_json_lines(file, [&](const Value& row) {
    const std::size_t i = recorded.size();
    if (i == run.requests.size()) row.refuse(fmt::format("{} requests, as the stream has", i));
    const VllmRequest& request = run.requests[i];
    for (const auto& [key, of] : {std::pair{"input_toks", request.prompt}, {"output_toks", request.output}})
      if (row.need(key).whole(1, kMostTokens.count()) != of.count())
        row.need(key).refuse(fmt::format("{}, as the stream says", of.count()));
    const Seconds s{row.need("arrival_time").seconds(), row.need("queued_ts").seconds(),
                    row.need("scheduled_ts").seconds(), row.need("first_token_ts").seconds(),
                    row.need("last_token_ts").seconds()};
    if (s.scheduled < s.queued || s.first < s.scheduled || s.last < s.first ||
        (i > 0 && s.arrival < recorded.back().arrival))
      row.need("first_token_ts").refuse("times in order: arrivals one after another; queued, scheduled, first, last");
    recorded.push_back(s);
  });
  if (recorded.size() != run.requests.size())
    throw InputError(file, 0, "", fmt::format("found {} requests", recorded.size()),
                     fmt::format("accepted: {}, as the stream has", run.requests.size()));
  if (recorded.empty()) throw InputError(file, 0, "", "found no request", "accepted: at least one");
  double apart = std::numeric_limits<double>::max();  // of the two clocks (R2)
  for (const Seconds& s : recorded) apart = std::min(apart, s.queued - s.arrival);
  const double start = recorded.front().arrival;
  const auto since = [&](double s) { return Time(std::llround((s - start) * 1e9)); };
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    run.requests[i].arrival = since(recorded[i].arrival);
    run.requests[i].first_token = since(recorded[i].first - apart);
    run.requests[i].last_token = since(recorded[i].last - apart);
    run.requests[i].at_once = recorded[i].scheduled - recorded[i].queued < 1e-3;
  }
}

VllmRun read_run(const std::string& folder, std::string name) {
  VllmRun run;
  run.name = std::move(name);
  run.folder = folder;
  with_json(folder + "/config.json", [&](const Value& config) { read_hardware(config, run); });
  std::string stream;
  with_json(folder + "/vllm/meta.json", [&](const Value& meta) {
    read_settings(meta, run);
    stream = stream_of(meta.need("dataset_path"), folder);
  });
  read_prompts(stream, run);
  read_answers(folder + "/vllm/requests.jsonl", run);
  return run;
}

void find_runs(const fs::path& folder, int levels, std::vector<fs::path>& found) {
  if (fs::is_regular_file(folder / "vllm" / "meta.json")) {
    found.push_back(folder);
    return;
  }
  if (levels == 0) return;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable))
    if (entry.is_directory()) find_runs(entry.path(), levels - 1, found);
}

}  // namespace

std::vector<VllmRun> read_vllm_runs(const std::string& folder) {
  std::error_code no_folder;
  if (!fs::is_directory(folder, no_folder)) throw InputError(folder, 0, "", "found no folder", "give a folder of runs");
  const fs::path top = fs::path(folder).lexically_normal();
  std::vector<fs::path> found;
  find_runs(top, kDeepest, found);
  std::ranges::sort(found);
  if (found.empty())
    throw InputError(folder, 0, "", "found no vllm/meta.json in it or below",
                     "accepted: a folder as LLMServingSim's bench/examples");
  std::vector<VllmRun> runs;
  for (const fs::path& path : found) {
    std::string name = path.lexically_relative(top).string();
    runs.push_back(read_run(path.string(), name == "." ? path.filename().string() : std::move(name)));
  }
  return runs;
}

}  // namespace yard
