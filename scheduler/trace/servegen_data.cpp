#include "scheduler/trace/servegen_data.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <simdjson.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/trace/cells.h"
#include "scheduler/trace/decimal.h"
#include "scheduler/trace/lines.h"
#include "scheduler/trace/trace.h"

namespace yard {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostClients = 4096, kMostWindows = 1 << 20, kMostDatasetBytes = 64 << 20;
constexpr std::int64_t kMostTime = 1'000'000'000;  // s
constexpr std::size_t kColumns = 6;
constexpr std::string_view kNames[kColumns] = {"time", "rate", "cv", "pattern", "shape", "scale"};

// N of chunk-N-trace.csv.
std::optional<std::uint64_t> client_of(const std::string& file) {
  constexpr std::string_view kBefore = "chunk-", kBehind = "-trace.csv";
  if (!file.starts_with(kBefore) || !file.ends_with(kBehind)) return std::nullopt;
  const std::string_view digits = std::string_view(file).substr(
      kBefore.size(), file.size() - std::min(file.size(), kBefore.size() + kBehind.size()));
  std::uint64_t n = 0;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (wrong != std::errc() || end != digits.data() + digits.size() || n > 1'000'000'000) return std::nullopt;
  return n;
}

std::string shown_cell(std::string_view cell) {
  return cell.empty() ? "found nothing" : fmt::format("found '{}'", printable(cell));
}

// ---- rates

class RateFile {
 public:
  RateFile(const std::string& path, ServeGenData& data, ServeGenClient& client)
      : lines_(path), data_(data), client_(client) {}

  void read() {
    std::string_view line;
    while (lines_.next(line)) {
      if (line.empty()) continue;
      if (const std::size_t cells = split_cells(line, cells_); cells != kColumns)
        fail("", fmt::format("found {} cells in '{}'", cells, printable(line)),
             "accepted: time,rate,cv,pattern,shape,scale (is the file cut?)");
      take_time();
      take_window();
    }
    if (client_.windows.empty())
      throw InputError(lines_.path(), 0, "", "is empty", "accepted: time,rate,cv,pattern,shape,scale, a row a window");
  }

 private:
  void take_time() {
    const auto time = decimal(cells_[0], 0);
    const std::size_t row = client_.windows.size();
    if (!time || *time > kMostTime) fail(kNames[0], shown_cell(cells_[0]), "accepted: whole seconds");
    const auto now = static_cast<std::int64_t>(*time);
    if (row == 1 && data_.window_s == 0) data_.window_s = now;
    if (row == 1 && (data_.window_s == 0 || data_.window_s > 86400))
      fail(kNames[0], shown_cell(cells_[0]), "accepted: windows of 1 to 86400 s");
    if (row == kMostWindows) fail("", fmt::format("found more than {} windows", kMostWindows), "accepted: fewer");
    const std::int64_t want = static_cast<std::int64_t>(row) * data_.window_s;
    if (now != want)
      fail(kNames[0], shown_cell(cells_[0]),
           fmt::format("accepted: {}, as windows begin at 0 and are all as long as the first file's first", want));
  }

  void take_window() {
    ServeGenClient::Window window;
    const auto rate = decimal(cells_[1], 9);
    if (!rate || *rate > 1'000'000'000'000'000)
      fail(kNames[1], shown_cell(cells_[1]), "accepted: requests a second from 0 to 1000000");
    window.rate_nano = *rate;
    if (*rate > 0) {
      window.weibull = cells_[3] == "Weibull";
      if (!window.weibull && cells_[3] != "Gamma") fail(kNames[3], shown_cell(cells_[3]), "accepted: Gamma, Weibull");
      const auto shape = decimal(cells_[4], 6);
      const std::uint64_t least = window.weibull ? 100'000 : 100;  // millionths
      if (!shape || *shape < least || *shape > 100'000'000)
        fail(kNames[4], shown_cell(cells_[4]),
             fmt::format("accepted: a shape from {} to 100", window.weibull ? "0.1" : "0.0001"));
      window.shape_micro = *shape;
      if (client_.period_at(static_cast<std::int64_t>(client_.windows.size()) * data_.window_s).prompt.empty())
        fail(kNames[1], shown_cell(cells_[1]), "accepted: 0 while the dataset has no lengths");
    }
    client_.windows.push_back(window);
  }

  [[noreturn]] void fail(std::string_view key, std::string found, std::string accepted) const {
    throw InputError(lines_.path(), lines_.shown_number(), std::string(key), std::move(found), std::move(accepted));
  }

  LineReader lines_;
  ServeGenData& data_;
  ServeGenClient& client_;
  std::array<std::string_view, kColumns> cells_;
};

// ---- lengths

class LengthFile {
 public:
  LengthFile(std::string path, ServeGenClient& client) : path_(std::move(path)), client_(client) {}

  void read() {
    simdjson::dom::parser parser;
    const simdjson::padded_string text(read_file(path_, kMostDatasetBytes));
    simdjson::dom::object whole;
    if (parser.parse(text).get(whole))
      throw InputError(path_, 0, "", "found no valid JSON object",
                       "accepted: {\"0\": {\"input_tokens\": \"{...}\", \"output_tokens\": \"{...}\"}, ...}");
    std::map<std::int64_t, ServeGenClient::Period> periods;
    for (const auto [key, value] : whole) {
      const auto begin = decimal(key, 0);
      if (!begin || *begin > kMostTime) fail(key, "found that as a time", "accepted: whole seconds");
      ServeGenClient::Period period{.begin_s = static_cast<std::int64_t>(*begin), .prompt = {}, .output = {}};
      take(key, value, "input_tokens", 1, period.prompt);
      take(key, value, "output_tokens", 0, period.output);
      if (period.prompt.empty() != period.output.empty())
        fail(key, "found lengths of one kind only", "accepted: input_tokens and output_tokens, or both empty");
      if (!periods.emplace(period.begin_s, std::move(period)).second) fail(key, "found twice", "accepted: once");
    }
    if (periods.empty() || periods.begin()->first != 0) fail("0", "found no such time", "accepted: lengths from 0 on");
    for (auto& [begin, period] : periods) client_.periods.push_back(std::move(period));
  }

 private:
  void take(std::string_view time, simdjson::dom::element value, std::string_view field, std::int32_t least,
            LengthTable& table) const {
    const std::string key = fmt::format("{}.{}", time, field);
    std::string_view text;
    if (value[field].get(text)) fail(key, "found no such text", "accepted: \"{tokens: share, ...}\"");
    if (std::string wrong = table.parse(text, least); !wrong.empty())
      fail(key, std::move(wrong),
           fmt::format("accepted: \"{{tokens: share, ...}}\", tokens from {} to {}", least, kMostTokens.count()));
  }

  [[noreturn]] void fail(std::string_view key, std::string found, std::string accepted) const {
    throw InputError(path_, 0, printable(key), std::move(found), std::move(accepted));
  }

  const std::string path_;
  ServeGenClient& client_;
};

}  // namespace

Tokens LengthTable::sample(std::uint64_t random) const {
  const auto at = static_cast<std::uint64_t>(static_cast<Wide>(random) * total() >> 64);
  const auto found = std::upper_bound(upto_.begin(), upto_.end(), at);
  return Tokens(tokens_[static_cast<std::size_t>(found - upto_.begin())]);
}

std::string LengthTable::parse(std::string_view text, std::int32_t least) {
  const std::string_view whole = text;
  const auto wrong = [&] { return fmt::format("found '{}'", printable(text.empty() ? whole : text)); };
  if (!text.starts_with('{') || !text.ends_with('}')) return wrong();
  text = text.substr(1, text.size() - 2);
  std::uint64_t sum = 0;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    const std::size_t colon = item.find(": ");
    if (colon == std::string_view::npos) return wrong();
    const auto tokens = decimal(item.substr(0, colon), 0), share = decimal(item.substr(colon + 2), 15);
    if (!tokens || *tokens < static_cast<std::uint64_t>(least) ||
        *tokens > static_cast<std::uint64_t>(kMostTokens.count()) || !share || *share > 2'000'000'000'000'000'000 - sum)
      return wrong();
    if (*share > 0) {
      sum += *share;
      tokens_.push_back(static_cast<std::int32_t>(*tokens));
      upto_.push_back(sum);
    }
    if (item.size() == text.size()) break;
    text.remove_prefix(item.size() + 1);
    if (!text.starts_with(' ') || text.size() == 1) return wrong();
    text.remove_prefix(1);
  }
  return {};
}

const ServeGenClient::Period& ServeGenClient::period_at(std::int64_t second) const {
  const auto later = std::find_if(periods.begin(), periods.end(), [&](const Period& p) { return p.begin_s > second; });
  CHECK(later != periods.begin());
  return *(later - 1);
}

std::uint64_t ServeGenData::rate_nano() const {
  Wide sum = 0;
  for (const ServeGenClient& client : clients)
    for (const auto& window : client.windows) sum += window.rate_nano;
  return static_cast<std::uint64_t>(sum / windows);
}

bool is_servegen_folder(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (client_of(entry.path().filename().string())) return true;
  return false;
}

ServeGenData read_servegen(const std::string& folder) {
  std::error_code wrong;
  std::vector<std::uint64_t> numbers;
  for (const auto& entry : fs::directory_iterator(folder, wrong))
    if (const auto n = client_of(entry.path().filename().string())) numbers.push_back(*n);
  if (wrong) throw InputError(folder, 0, "", fmt::format("cannot be read ({})", wrong.message()), "give a folder");
  if (numbers.empty())
    throw InputError(folder, 0, "", "found no chunk-N-trace.csv", "give a folder of ServeGen's, such as deepseek-r1");
  if (numbers.size() > kMostClients)
    throw InputError(folder, 0, "", fmt::format("found {} clients", numbers.size()),
                     fmt::format("accepted: at most {}", kMostClients));
  std::sort(numbers.begin(), numbers.end());

  ServeGenData data;
  for (const std::uint64_t n : numbers) {
    ServeGenClient client;
    client.number = n;
    LengthFile((fs::path(folder) / fmt::format("chunk-{}-dataset.json", n)).string(), client).read();
    RateFile((fs::path(folder) / fmt::format("chunk-{}-trace.csv", n)).string(), data, client).read();
    data.windows = std::max(data.windows, client.windows.size());
    if (std::any_of(client.windows.begin(), client.windows.end(), [](const auto& w) { return w.rate_nano > 0; }))
      data.clients.push_back(std::move(client));
  }
  if (data.clients.empty() || data.window_s == 0)
    throw InputError(folder, 0, "", "found no client that asks in two windows or more", "accepted: rates above 0");
  return data;
}

}  // namespace yard
