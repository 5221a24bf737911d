#include "scheduler/cost/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "scheduler/cost/json.h"
#include "scheduler/cost/show_table.h"

namespace yard {
namespace {

std::string percent(double x, const char* sign = "") {
  return sign[0] == '+' ? fmt::format("{:+.2f}", 100.0 * x) : fmt::format("{:.2f}", 100.0 * x);
}

std::string number(double x) { return fmt::format("{:.6f}", x); }

}  // namespace

ErrorSummary Errors::summary() const {
  ErrorSummary s{.n = static_cast<std::int64_t>(pairs_.size())};
  if (pairs_.empty()) return s;
  std::vector<double> off;
  for (const auto& [predicted, measured] : pairs_) {
    const double e = predicted / measured - 1.0;
    s.bias += e;
    off.push_back(std::abs(e));
    s.mape += off.back();
  }
  const auto n = static_cast<double>(off.size());
  s.mape /= n, s.bias /= n;
  const std::size_t rank = (off.size() * 9 + 9) / 10 - 1;
  std::ranges::nth_element(off, off.begin() + static_cast<std::ptrdiff_t>(rank));
  s.p90 = off[rank];
  return s;
}

namespace {

std::string_view verdict(const Claim& claim, bool aims) { return !aims ? "" : claim.met() ? "met" : "missed"; }

std::string errors_table(const std::vector<Claim>& claims) {
  ShowTable table(2, {"claim", "data", "n", "refused", "MAPE %", "p90 %", "bias %", "aim %", ""});
  bool any = false;
  for (const Claim& claim : claims) {
    if (claim.coverage) continue;
    const ErrorSummary s = claim.errors.summary();
    table.add({claim.what, claim.data, fmt::format("{}", s.n), fmt::format("{}", claim.refused.rows()), percent(s.mape),
               percent(s.p90), percent(s.bias, "+"), claim.aim > 0 ? percent(claim.aim) : "-",
               std::string(verdict(claim, claim.aim > 0))});
    any = true;
  }
  return any ? table.str() : "";
}

std::string coverage_table(const std::vector<Claim>& claims) {
  ShowTable table(2, {"interval of 90 %", "data", "n", "refused", "inside %", "aim %", ""});
  bool any = false;
  for (const Claim& claim : claims) {
    if (!claim.coverage) continue;
    const Coverage& c = *claim.coverage;
    table.add({claim.what, claim.data, fmt::format("{}", c.asked), fmt::format("{}", claim.refused.rows()),
               percent(c.share()),
               c.aims ? fmt::format("{:.0f}-{:.0f}", 100 * Coverage::kLeast, 100 * Coverage::kMost) : "-",
               std::string(verdict(claim, c.aims))});
    any = true;
  }
  return any ? table.str() : "";
}

}  // namespace

std::string claims_text(const std::vector<Claim>& claims, std::uint64_t seed) {
  std::string text =
      fmt::format("costs beside what was measured  seed {}\n", seed) + errors_table(claims) + coverage_table(claims);
  for (const Claim& claim : claims) {
    if (!claim.note.empty()) text += fmt::format("{}: {}\n", claim.what, claim.note);
    for (const Refusals::Reason& reason : claim.refused.reasons()) {
      text += fmt::format("{}: refused {} rows, {}:", claim.what, reason.rows, reason.what);
      for (const std::string& offender : reason.first) text += " [" + offender + "]";
      text += "\n";
    }
  }
  return text;
}

std::string claims_json(const std::vector<Claim>& claims, std::uint64_t seed) {
  json::List list(",\n  ");
  for (const Claim& claim : claims) {
    const ErrorSummary s = claim.errors.summary();
    json::Object row;
    row.text("claim", claim.what).text("data", claim.data);
    if (claim.coverage) {
      row.number("n", claim.coverage->asked).number("refused", claim.refused.rows());
      row.raw("inside", number(claim.coverage->share()));
      if (claim.coverage->aims) row.raw("met", claim.met() ? "true" : "false");
      if (!claim.note.empty()) row.text("note", claim.note);
      list.add(row.str());
      continue;
    }
    row.number("n", s.n).number("refused", claim.refused.rows());
    row.raw("mape", number(s.mape)).raw("p90", number(s.p90)).raw("bias", number(s.bias));
    if (claim.aim > 0) row.raw("aim", number(claim.aim)).raw("met", claim.met() ? "true" : "false");
    if (!claim.note.empty()) row.text("note", claim.note);
    list.add(row.str());
  }
  return json::Object().raw("seed", fmt::format("{}", seed)).raw("claims", list.str()).str() + "\n";
}

}  // namespace yard
