#include "scheduler/report/json_writer.h"
#include "scheduler/report/metrics.h"
#include "scheduler/report/report.h"

namespace yard {
namespace {

void write_entries(JsonWriter& json, const Record& record) {
  for (const auto& [key, value] : record.entries()) {
    if (const std::string* text = std::get_if<std::string>(&value)) {
      json.string(key, *text);
    } else {
      json.literal(key, plain(std::get<Figure>(value)));
    }
  }
}

void write_object(JsonWriter& json, std::string_view key, const Record& record) {
  json.begin_object(key);
  write_entries(json, record);
  json.end();
}

void write_array(JsonWriter& json, std::string_view key, const std::vector<Record>& records) {
  json.begin_array(key);
  for (const Record& record : records) write_object(json, {}, record);
  json.end();
}

}  // namespace

std::string report_json(const Summary& summary) {
  const Metrics metrics = measure(summary);
  JsonWriter json;
  json.begin_object();
  write_entries(json, metrics.about);
  write_object(json, "totals", metrics.totals);
  write_object(json, "all", metrics.all);
  write_array(json, "classes", metrics.classes);
  write_array(json, "tenants", metrics.tenants);
  write_array(json, "pools", metrics.pools);
  if (!metrics.contracts.empty()) write_array(json, "contracts", metrics.contracts);
  if (!metrics.power_domains.empty()) write_array(json, "power_domains", metrics.power_domains);
  if (!metrics.links.empty()) write_array(json, "links", metrics.links);
  write_object(json, "run", metrics.run);
  json.end();
  return std::move(json).finish();
}

}  // namespace yard
