// Integer logarithms, measured kernels as they are read and refused, and the dense tables made of them.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "scheduler/base/input_error.h"
#include "scheduler/base/rng.h"
#include "scheduler/cost/kernel_fit.h"
#include "scheduler/cost/kernel_table_text.h"
#include "scheduler/cost/kernel_transfer.h"

namespace yard {
namespace {

const Accelerator& h200() { return *builtin_catalogue().find("h200-sxm"); }
const Accelerator& h100() { return *builtin_catalogue().find("h100-sxm"); }

KernelShape gemm(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.category = {.family = KernelFamily::gemm}, .m = m, .n = n, .k = k};
}

// ---- logarithms -----------------------------------------------------------------------------------------------------

TEST(FixedLog, IsWithinTwoPartsIn65536OfAnOctave) {
  Rng rng(7);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t n = 1 + rng.below(std::uint64_t{1} << (1 + i % 62));
    EXPECT_NEAR(log2_of(n) / 65536.0, std::log2(static_cast<double>(n)), 2.0 / 65536) << n;
  }
  EXPECT_EQ(log2_of(1), 0);
  EXPECT_EQ(log2_of(1024), 10 * kOctave);
}

TEST(FixedLog, ScalesBackToWhereItCameFrom) {
  Rng rng(8);
  for (int i = 0; i < 10'000; ++i) {
    const auto n = static_cast<std::int64_t>(1000 + rng.below(1'000'000'000'000));
    const auto log = static_cast<Log2>(rng.below(20 * kOctave)) - 10 * kOctave;
    const double right = static_cast<double>(n) * std::exp2(log / 65536.0);
    EXPECT_NEAR(static_cast<double>(scaled_by(n, log)), right, right * 2e-7 + 1.0) << n << " " << log;
  }
  EXPECT_EQ(scaled_by(12345, 0), 12345);
  EXPECT_EQ(scaled_by(12345, kOctave), 24690);
  EXPECT_EQ(scaled_by(1 << 20, -20 * kOctave), 1);
  EXPECT_EQ(scaled_by(1, 70 * kOctave), std::int64_t{1} << 62);
}

// ---- physics --------------------------------------------------------------------------------------------------------

TEST(KernelRoofline, IsTheLongerOfComputeAndMemory) {
  // 2 * 8192^3 FLOPs at 989 TFLOP/s; 2 bytes of 8192^2 values three times at 4.8 TB/s are less.
  EXPECT_EQ(kernel_roofline(gemm(8192, 8192, 8192), h200(), Picoseconds(5)).count(),
            std::int64_t{2} * 8192 * 8192 * 8192 / 989 + 5);
  // One row: the weights of 8192 x 8192 in bf16, and both vectors.
  const std::int64_t bytes = 2 * (8192 * 8192 + 8192 + 8192);
  EXPECT_EQ(kernel_roofline(gemm(1, 8192, 8192), h200(), Picoseconds()).count(), bytes * 10 / 48);
}

TEST(KernelRoofline, OfAttentionHeedsWindowAndGroups) {
  KernelShape s{.category = {.family = KernelFamily::decode_attention, .head_dim = 128},
                .batch = 4,
                .tokens = 8192,
                .query_heads = 32,
                .kv_heads = 8};
  const Wide all = kernel_bytes(s);
  EXPECT_EQ(static_cast<std::int64_t>(all), 4 * 128 * (2 * 8 * 2 * 8192 + 4 * 32));
  s.category.window = 1024;
  EXPECT_EQ(static_cast<std::int64_t>(kernel_bytes(s)), 4 * 128 * (2 * 8 * 2 * 1024 + 4 * 32));
  s.category = {.family = KernelFamily::prefill_attention, .head_dim = 128};
  s.tokens = 4;  // 10 pairs
  EXPECT_EQ(static_cast<std::int64_t>(kernel_flops(s)), 4 * 4 * 32 * 128 * 10);
  s.category.window = 2;  // 1 + 2 + 2 + 2
  EXPECT_EQ(static_cast<std::int64_t>(kernel_flops(s)), 4 * 4 * 32 * 128 * 7);
}

// ---- what is refused ------------------------------------------------------------------------------------------------

TEST(KernelRows, RefusesRowByRowWithACountAndTheFirst) {
  const std::string text =
      "# source: x; constants: {'gemm_dtype': 'bfloat16', 'op_name': 'gemm'}\n"
      "m,n,k,latency,unit\n"
      "1,8192,8192,30,us\n"
      "0,8192,8192,30,us\n"
      "0,4096,8192,30,us\n"
      "2,8192,8192,30,fortnights\n"
      "4,8192,8192,-1,us\n"
      "8,8192,8192,x,us\n"
      "8192,8192,8192,100,us\n"
      "1,8192,8192,31,us\n"
      "1,8192,8192\n"
      "16,8192,8192,0.031,ms\n";
  const KernelRows read = read_kernel_rows(CsvTable("t.csv", text), KernelFamily::gemm, h200());
  ASSERT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.rows[1].cost, Picoseconds(31'000'000));
  EXPECT_EQ(read.refused.rows(), 8);
  std::vector<std::string> found;
  for (const auto& reason : read.refused.reasons())
    found.push_back(std::to_string(reason.rows) + " " + reason.what + " [" + reason.first.front() + "]");
  EXPECT_EQ(found,
            (std::vector<std::string>{
                "2 a size below 1 [t.csv:4: m = 0]", "1 an unknown unit [t.csv:6: unit = 'fortnights']",
                "1 a time not above 0 or over 1,000 s [t.csv:7: latency = -1]", "1 no time [t.csv:8: latency = 'x']",
                "1 faster than the chip's peak [t.csv:9: 100 us where h200-sxm takes 1111 us]",
                "1 a shape twice [t.csv:10: gemm bfloat16]",
                "1 not as many cells as the heading [t.csv:11: another width]"}));
}

TEST(KernelRows, RefuseATableWithoutItsColumns) {
  try {
    read_kernel_rows(CsvTable("t.csv", "m,n,kk,gemm_dtype,latency\n"), KernelFamily::gemm, h200());
    FAIL();
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(), "t.csv:1: k: found no such column; accepted: a table with it, nearest is 'm'");
  }
}

TEST(CsvTable, RefusesAQuoteThatIsNotClosed) {
  try {
    CsvTable("q.csv", "x,y\n1,2\n\"1,2\n");
    FAIL();
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(), "q.csv:3: found a quote that is not closed: \"1,2; accepted: \"cell\"");
  }
}

TEST(CsvTable, ReadsQuotedCellsAndConstants) {
  const CsvTable table("q.csv", "# constants: {'a': 'one', 'b': 128}\nx,y\n\"1, and \"\"more\"\"\",2\r\n");
  EXPECT_EQ(table[0]["x"], "1, and \"more\"");
  EXPECT_EQ(table[0].whole("y"), 2);
  EXPECT_EQ(table[0]["a"], "one");
  EXPECT_EQ(table[0].whole("b"), 128);
  EXPECT_EQ(table[0]["z"], "");
}

// ---- tables ---------------------------------------------------------------------------------------------------------

// Kernels that reach 40 % of the roofline when small and 80 % when large, and 3 us besides.
std::vector<KernelRow> made_up(const Accelerator& chip) {
  std::vector<KernelRow> rows;
  for (const std::int64_t m : {1, 16, 256, 4096})
    for (std::int64_t n = 256; n <= 16384; n *= 2)
      for (std::int64_t k = 256; k <= 16384; k *= 2) {
        const std::int64_t ideal = kernel_roofline(gemm(m, n, k), chip, Picoseconds()).count();
        rows.push_back({gemm(m, n, k), Picoseconds(ideal * 10 / (n < 2048 ? 4 : 8) + 3'000'000)});
      }
  return rows;
}

TEST(KernelTable, GivesBackWhatWasMeasured) {
  const auto rows = made_up(h200());
  const KernelTable table = fit_kernels(rows, h200(), {.octaves = {0.01, 0.7, 0.7, 1.0}});
  for (const KernelRow& row : rows) {
    const KernelAnswer answer = table.at(row.shape);
    EXPECT_NEAR(static_cast<double>(answer.cost.count()), static_cast<double>(row.cost.count()),
                static_cast<double>(row.cost.count()) * 5e-5);
    EXPECT_FALSE(answer.held);
  }
}

TEST(KernelTable, HoldsTheUtilisationBeyondTheDataAndWidens) {
  const KernelTable table = fit_kernels(made_up(h200()), h200(), {.octaves = {0.01, 0.7, 0.7, 1.0}});
  const KernelAnswer last = table.at(gemm(4096, 16384, 16384)), beyond = table.at(gemm(65536, 16384, 16384));
  EXPECT_TRUE(beyond.held);
  EXPECT_EQ(beyond.spread_permille, last.spread_permille + 4 * KernelTable::kHeldPermille);
  const auto used = [&](const KernelShape& s, const KernelAnswer& a) {
    return static_cast<double>(a.cost.count()) / static_cast<double>(kernel_roofline(s, h200(), table.floor()).count());
  };
  EXPECT_NEAR(used(gemm(4096, 16384, 16384), last), used(gemm(65536, 16384, 16384), beyond), 1e-4);
  KernelShape fp8 = gemm(4096, 16384, 16384);
  fp8.category.format = KernelFormat::fp8;  // not measured
  EXPECT_TRUE(table.at(fp8).held);
  EXPECT_GT(table.at(fp8).spread_permille, 1000u);
}

TEST(KernelTable, FillsWhatIsMissingFromNeighbours) {
  auto rows = made_up(h200());
  std::erase_if(rows, [](const KernelRow& row) { return row.shape.n == 4096 && row.shape.k == 4096; });
  const KernelTable table = fit_kernels(rows, h200(), {.octaves = {0.01, 0.7, 0.7, 1.0}});
  for (const KernelRow& row : made_up(h200())) {
    if (row.shape.n != 4096 || row.shape.k != 4096) continue;
    EXPECT_NEAR(static_cast<double>(table.at(row.shape).cost.count()), static_cast<double>(row.cost.count()),
                static_cast<double>(row.cost.count()) * 0.12)
        << row.shape.m;
  }
}

// The same integers from gcc and clang, x86-64 and x86-64-v3.
TEST(KernelTable, IsTheSameOnEveryBuild) {
  auto rows = made_up(h100());
  std::erase_if(rows, [](const KernelRow& row) { return held_out(row.shape, SplitBy::layer, 3); });
  const KernelTable table = fit_kernels(rows, h100(), {.octaves = {0.01, 0.7, 0.7, 1.0}});
  EXPECT_EQ(table.hash(), 11015097059401752760u);
  EXPECT_EQ(transfer_kernels(table, h200(), probes_of(made_up(h200()), 40, 5)).hash(), 10209720958350497907u);
}

TEST(KernelTable, GoesToAFileAndBack) {
  const KernelTable table = fit_kernels(made_up(h200()), h200(), {.octaves = {0.01, 0.7, 0.7, 1.0}});
  const std::string text = kernel_table_text(table);
  EXPECT_EQ(read_kernel_table("t", text).hash(), table.hash());
  const auto refusal = [](std::string damaged) {
    try {
      read_kernel_table("t", damaged);
      return std::string();
    } catch (const InputError& e) {
      return std::string(e.found);
    }
  };
  EXPECT_EQ(refusal(text.substr(0, text.size() / 2)), "found its end too early");
  std::string other = text;
  other.replace(other.find("h200-sxm"), 8, "h999-sxm");
  EXPECT_EQ(refusal(other), "found the unknown chip 'h999-sxm'");
  std::string flipped = text;
  char& digit = flipped[flipped.rfind("10 10") + 1];
  digit = '1';
  EXPECT_TRUE(refusal(flipped).starts_with("found '")) << refusal(flipped);
}

TEST(KernelTransfer, LearnsFromProbesHowTheNewOneDiffers) {
  const KernelTable elder = fit_kernels(made_up(h100()), h100(), {.octaves = {0.01, 0.7, 0.7, 1.0}});
  auto fresh = made_up(h200());
  for (KernelRow& row : fresh) row.cost = row.cost * 5;  // five times as slow as its roofline says
  const auto off = [&](const KernelTable& table) {
    double sum = 0;
    for (const KernelRow& row : fresh)
      sum +=
          std::abs(static_cast<double>(table.at(row.shape).cost.count()) / static_cast<double>(row.cost.count()) - 1);
    return sum / static_cast<double>(fresh.size());
  };
  EXPECT_GT(off(transfer_kernels(elder, h200(), {})), 0.7);
  EXPECT_LT(off(transfer_kernels(elder, h200(), probes_of(fresh, 40, 1))), 0.06);
}

}  // namespace
}  // namespace yard
