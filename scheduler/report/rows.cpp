#include "scheduler/report/rows.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "scheduler/base/check.h"

namespace yard {
namespace {

constexpr std::string_view kHead =
    "id,model,class,tenant,prompt_tokens,output_tokens,cached_tokens,arrival_ns,admit_ns,first_token_ns,finish_ns,pool,"
    "device,outcome,reason,preemptions\n";
constexpr std::size_t kBuffer = 64 * 1024;
constexpr std::size_t kIntegers = 10 * 21;  // ten of them in a row, 20 digits and a comma each
constexpr std::size_t kWords = 64;          // outcome and reason

char* put(char* at, std::string_view text) { return at + text.copy(at, text.size()); }

template <class Integer>
char* put_number(char* at, Integer n) {
  at = std::to_chars(at, at + 20, n).ptr;
  *at = ',';
  return at + 1;
}

char* put_time(char* at, Time t) {
  if (t != Time::never()) return put_number(at, t.ns());
  *at = ',';
  return at + 1;
}

// The name with its comma; only the comma for an id that names nothing.
char* put_name(char* at, const std::vector<std::string>& cells, std::uint32_t id) {
  return put(at, id < cells.size() ? std::string_view(cells[id]) : ",");
}

std::size_t longest(std::span<const std::string> cells) {
  std::size_t most = 1;
  for (const std::string& cell : cells) most = std::max(most, cell.size());
  return most;
}

}  // namespace

std::string csv_cell(std::string_view name) {
  if (name.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(name);
  std::string cell = "\"";
  for (const char c : name) cell.append(c == '"' ? 2 : 1, c);
  return cell + '"';
}

RowWriter::RowWriter(std::string path, const FleetView& fleet) : file_(std::move(path)), fleet_(fleet) {
  for (const ModelView& m : fleet.models) models_.push_back(csv_cell(m.name) + ',');
  for (const SloClass& c : fleet.classes) classes_.push_back(csv_cell(c.name) + ',');
  for (const TenantView& t : fleet.tenants) tenants_.push_back(csv_cell(t.name) + ',');
  pool_of_.resize(fleet.devices());
  for (std::size_t p = 0; p < fleet.pools.size(); ++p) {
    const PoolView& pool = fleet.pools[p];
    pools_.push_back(csv_cell(pool.name) + ',');
    std::fill_n(pool_of_.begin() + pool.first_device, pool.devices, static_cast<std::uint32_t>(p));
  }
  longest_row_ = kIntegers + kWords + longest(models_) + longest(classes_) + longest(tenants_) + longest(pools_);
  buffer_.resize(std::max(kBuffer, longest_row_));
  file_.write(kHead);
}

void RowWriter::write(std::uint64_t id, const Finish& finish) {
  if (buffer_.size() - used_ < longest_row_) flush();
  const Account& a = finish.account;
  char* const begin = buffer_.data() + used_;
  char* at = put_number(begin, id);
  at = put_name(at, models_, a.model.value);
  at = put_name(at, classes_, a.slo.value);
  at = put_name(at, tenants_, a.tenant.value);
  at = put_number(at, a.prompt.count());
  at = put_number(at, a.output.count());
  at = put_number(at, a.cached.count());
  at = put_time(at, a.arrival);
  at = put_time(at, a.admit);
  at = put_time(at, a.first_token);
  at = put_time(at, a.finish);
  if (a.device.some()) {
    const std::uint32_t pool = pool_of_[a.device.value];
    at = put_number(put_name(at, pools_, pool), a.device.value - fleet_.pools[pool].first_device);
  } else {
    at = put(at, ",,");
  }
  at = put(put(at, name_of(finish.outcome)), ",");
  at = put(put(at, finish.why == Reason::none ? std::string_view() : name_of(finish.why)), ",");
  at = put_number(at, a.preemptions);
  at[-1] = '\n';  // instead of the last comma
  used_ = static_cast<std::size_t>(at - buffer_.data());
  CHECK(static_cast<std::size_t>(at - begin) <= longest_row_);
}

void RowWriter::flush() {
  file_.write({buffer_.data(), used_});
  used_ = 0;
}

void RowWriter::commit() {
  flush();
  file_.commit();
}

}  // namespace yard
