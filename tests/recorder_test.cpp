// A recording gives back what was told, whole frames up to any cut, and nothing from damaged bytes.
#include "scheduler/loop/recorder.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/input_error.h"
#include "scheduler/loop/recording.h"
#include "scheduler/loop/recording_reader.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/policy/registry.h"

namespace yard {
namespace {

// ---- a recording with every field of every kind, each of a value of its own ----------------------------------------

FleetView a_fleet() {
  FleetView fleet;
  fleet.name = "fleet";
  fleet.models = {{"large"}, {"small"}};
  fleet.classes = {{"first", 3, seconds(1), nanoseconds(2), milliseconds(3), seconds(4), seconds(5)}, SloClass{}};
  fleet.classes[0].sure = Quantile::q99;
  fleet.tenants = {{.name = "default", .weight = 1},
                   {.name = "other",
                    .weight = 7,
                    .rank_offset = -2,
                    .requests = {.per_s_thousandths = 1500, .burst = 3},
                    .tokens = {.per_s_thousandths = 64'000'000, .burst = 640'000},
                    .per_day = NanoDollars(12'000'000'000),
                    .prompt_price = NanoDollars(150),
                    .output_price = NanoDollars(600),
                    .regions = {1}}};
  fleet.regions = {"here", "there", ""};
  fleet.pue_thousandths = 1234;
  PoolView a;
  a.name = "a", a.provider = "prov", a.region_name = "there", a.accelerator = "chip";
  a.model = {1}, a.region = {2}, a.cost = {1};
  a.first_device = 0, a.devices = 3, a.accelerators_per_device = 8;
  a.kv_blocks = Blocks(100), a.block_tokens = Tokens(32), a.max_sequences = 7, a.token_budget = Tokens(512);
  a.max_context = Tokens(3201), a.per_hour = NanoDollars(99'000'000'000), a.idle = Milliwatts(70'000);
  a.busy = Milliwatts(700'000);
  PoolView b = a;
  b.name = "b", b.model = {0}, b.region = {0}, b.cost = {0}, b.first_device = 3, b.devices = 1;
  fleet.pools = {a, b};
  return fleet;
}

CostTables some_tables() {
  CostTables tables;
  tables.rows.emplace_back(std::vector<BatchBucket>{{1, Picoseconds(10)}, {8, Picoseconds(20)}}, Picoseconds(3),
                           Picoseconds(4), 8u);
  tables.rows.emplace_back(std::vector<BatchBucket>{{64, Picoseconds(77)}}, Picoseconds(5), Picoseconds(6), 64u);
  return tables;
}

constexpr Bounds kBounds{.sequences = 50, .events_per_tick = 60, .steps_per_run = 70};
constexpr Seed kSeed = 0xfedc'ba98'7654'3210;

struct Tick {
  Time now;
  std::vector<Event> events;
  std::uint64_t hash;
};

// Slots that the events below point to.
const std::vector<SlotEnd> kSlots = {
    {{1, 2}, Tokens(3), Tokens(4), Time(50), Time(60), SlotFate::length},
    {{0xffff'fffe, 0xffff'ffff}, Tokens(0), Tokens(0), Time::never(), Time::never(), SlotFate::failed},
    {{7, 8}, Tokens::max(), Tokens(1), Time(-1), Time(0), SlotFate::stopped},
};

std::vector<Tick> some_ticks() {
  const Submitted submitted{.request = {11, 12},
                            .model = {},
                            .tenant = {1},
                            .slo = {1},
                            .prompt = Tokens(13),
                            .max_output = Tokens(14),
                            .regions = {0b101},
                            .arrival = Time(15)};
  const RunEnded run{.run = {2, 16},
                     .device = {2},
                     .why = RunEnd::interrupted,
                     .steps = 17,
                     .energy = Millijoules(18),
                     .slots = kSlots};
  return {{Time(100), {submitted, CancelAsked{{21, 22}}}, 1001},
          {Time(100), {}, 1002},
          {Time(200), {run, DeviceChanged{{3}, DeviceState::down}, run}, 1003},
          {Time(std::numeric_limits<std::int64_t>::max() - 1), {DeviceChanged{{0}, DeviceState::draining}}, 1004}};
}

std::string scratch(const char* name) {
  return (std::filesystem::temp_directory_path() / (std::string(name) + "-" + std::to_string(::getpid()))).string();
}

void put_head(Recorder& recorder) {
  recorder.head(a_fleet(), some_tables(), find_policies("random", "fcfs", "room"), kBounds, kSeed);
}

// Every tick in a frame of its own.
void record(const std::string& path, const std::vector<Tick>& ticks) {
  Recorder recorder(path);
  put_head(recorder);
  for (const Tick& t : ticks) {
    recorder.tick(t.now, t.events);
    recorder.hash(t.hash);
    recorder.flush();
  }
  recorder.finish();
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
}

class Recording : public testing::Test {
 protected:
  ~Recording() override { std::filesystem::remove(path); }
  const std::string path = scratch("recording");
};

void expect_equal(const Event& a, const Event& b) {
  ASSERT_EQ(a.index(), b.index());
  if (const auto* x = std::get_if<Submitted>(&a)) {
    const auto& y = std::get<Submitted>(b);
    EXPECT_EQ(x->request, y.request);
    EXPECT_EQ(x->model, y.model);
    EXPECT_EQ(x->tenant, y.tenant);
    EXPECT_EQ(x->slo, y.slo);
    EXPECT_EQ(x->prompt, y.prompt);
    EXPECT_EQ(x->max_output, y.max_output);
    EXPECT_EQ(x->regions, y.regions);
    EXPECT_EQ(x->arrival, y.arrival);
  } else if (const auto* c = std::get_if<CancelAsked>(&a)) {
    EXPECT_EQ(c->request, std::get<CancelAsked>(b).request);
  } else if (const auto* d = std::get_if<DeviceChanged>(&a)) {
    EXPECT_EQ(d->device, std::get<DeviceChanged>(b).device);
    EXPECT_EQ(d->state, std::get<DeviceChanged>(b).state);
  } else {
    const auto &r = std::get<RunEnded>(a), &y = std::get<RunEnded>(b);
    EXPECT_EQ(r.run, y.run);
    EXPECT_EQ(r.device, y.device);
    EXPECT_EQ(r.why, y.why);
    EXPECT_EQ(r.steps, y.steps);
    EXPECT_EQ(r.energy, y.energy);
    ASSERT_EQ(r.slots.size(), y.slots.size());
    for (std::size_t i = 0; i < r.slots.size(); ++i) {
      EXPECT_EQ(r.slots[i].sequence, y.slots[i].sequence);
      EXPECT_EQ(r.slots[i].prefilled, y.slots[i].prefilled);
      EXPECT_EQ(r.slots[i].generated, y.slots[i].generated);
      EXPECT_EQ(r.slots[i].first_token, y.slots[i].first_token);
      EXPECT_EQ(r.slots[i].last_token, y.slots[i].last_token);
      EXPECT_EQ(r.slots[i].fate, y.slots[i].fate);
    }
  }
}

// ---- round trip ----------------------------------------------------------------------------------------------------

TEST_F(Recording, GivesBackEveryFieldOfItsHead) {
  record(path, {});
  const RecordingReader reader(path);
  ASSERT_TRUE(reader.head());
  const RecordingHead& head = *reader.head();
  const FleetView fleet = a_fleet();
  EXPECT_EQ(head.scorer, "random");
  EXPECT_EQ(head.order, "fcfs");
  EXPECT_EQ(head.bind, Bind::room);
  EXPECT_EQ(head.seed, kSeed);
  EXPECT_EQ(head.bounds.sequences, kBounds.sequences);
  EXPECT_EQ(head.bounds.events_per_tick, kBounds.events_per_tick);
  EXPECT_EQ(head.bounds.steps_per_run, kBounds.steps_per_run);
  EXPECT_EQ(head.fleet.name, fleet.name);
  EXPECT_EQ(head.fleet.tenants, fleet.tenants);
  EXPECT_EQ(head.fleet.regions, fleet.regions);
  EXPECT_EQ(head.fleet.pue_thousandths, fleet.pue_thousandths);
  ASSERT_EQ(head.fleet.models.size(), 2u);
  EXPECT_EQ(head.fleet.models[1].name, "small");
  ASSERT_EQ(head.fleet.classes.size(), 2u);
  const SloClass &c = head.fleet.classes[0], &d = fleet.classes[0];
  EXPECT_EQ(c.name, d.name);
  EXPECT_EQ(c.rank, d.rank);
  EXPECT_EQ(c.ttft, d.ttft);
  EXPECT_EQ(c.ttft_per_token, d.ttft_per_token);
  EXPECT_EQ(c.tpot, d.tpot);
  EXPECT_EQ(c.e2e, d.e2e);
  EXPECT_EQ(c.patience, d.patience);
  EXPECT_EQ(c.sure, d.sure);
  ASSERT_EQ(head.fleet.pools.size(), 2u);
  for (std::size_t p = 0; p < 2; ++p) {
    const PoolView &x = head.fleet.pools[p], &y = fleet.pools[p];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.provider, y.provider);
    EXPECT_EQ(x.region_name, y.region_name);
    EXPECT_EQ(x.accelerator, y.accelerator);
    EXPECT_EQ(x.model, y.model);
    EXPECT_EQ(x.region, y.region);
    EXPECT_EQ(x.cost, y.cost);
    EXPECT_EQ(x.first_device, y.first_device);
    EXPECT_EQ(x.devices, y.devices);
    EXPECT_EQ(x.accelerators_per_device, y.accelerators_per_device);
    EXPECT_EQ(x.kv_blocks, y.kv_blocks);
    EXPECT_EQ(x.block_tokens, y.block_tokens);
    EXPECT_EQ(x.max_sequences, y.max_sequences);
    EXPECT_EQ(x.token_budget, y.token_budget);
    EXPECT_EQ(x.max_context, y.max_context);
    EXPECT_EQ(x.per_hour, y.per_hour);
    EXPECT_EQ(x.idle, y.idle);
    EXPECT_EQ(x.busy, y.busy);
  }
  ASSERT_EQ(head.tables.rows.size(), 2u);
  const StepCost& row = head.tables.rows[0];
  EXPECT_EQ(row.c0(1).count(), 10);
  EXPECT_EQ(row.c0(2).count(), 20);
  EXPECT_EQ(row.c1().count(), 3);
  EXPECT_EQ(row.c2().count(), 4);
  EXPECT_EQ(row.max_sequences(), 8u);
}

TEST_F(Recording, GivesBackEveryFieldOfItsTicks) {
  const std::vector<Tick> ticks = some_ticks();
  record(path, ticks);
  RecordingReader reader(path);
  for (const Tick& expected : ticks) {
    const std::optional<RecordedTick> tick = reader.next();
    ASSERT_TRUE(tick);
    EXPECT_EQ(tick->now, expected.now);
    EXPECT_EQ(tick->hash, expected.hash);
    ASSERT_EQ(tick->events.size(), expected.events.size());
    for (std::size_t i = 0; i < expected.events.size(); ++i) expect_equal(tick->events[i], expected.events[i]);
  }
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.cut_at());
  EXPECT_EQ(reader.ticks(), ticks.size());
  EXPECT_EQ(reader.events(), 6u);
}

TEST_F(Recording, EventsToldOneByOneAreTheSameBytes) {
  const std::vector<Tick> ticks = some_ticks();
  record(path, ticks);
  const std::string expected = bytes_of(path);
  {
    Recorder recorder(path);
    put_head(recorder);
    for (const Tick& t : ticks) {
      for (const Event& e : t.events) recorder.event(e);
      recorder.ticked(t.now);
      recorder.hash(t.hash);
      recorder.flush();
    }
    recorder.finish();
  }
  EXPECT_EQ(bytes_of(path), expected);
}

TEST_F(Recording, ClosesAFrameWhenItIsLargeAndMarksItsLastTick) {
  constexpr int kTicks = 40000;
  {
    Recorder recorder(path);
    put_head(recorder);
    for (int i = 0; i < kTicks; ++i) {
      const Event cancel = CancelAsked{{static_cast<std::uint32_t>(i), 1}};
      recorder.tick(Time(i), {&cancel, 1});
      recorder.hash(static_cast<std::uint64_t>(i));
    }
    recorder.finish();
  }
  RecordingReader reader(path);
  int marks = 0, read = 0;
  for (; const auto tick = reader.next(); ++read) {
    ASSERT_EQ(std::get<CancelAsked>(tick->events[0]).request.index, static_cast<std::uint32_t>(read));
    if (!tick->hash) continue;
    ++marks;
    EXPECT_EQ(*tick->hash, static_cast<std::uint64_t>(read));
  }
  EXPECT_EQ(read, kTicks);
  EXPECT_EQ(marks, 4);  // 21 bytes a tick, 256 KiB a frame
}

// ---- cut -----------------------------------------------------------------------------------------------------------

TEST_F(Recording, CutAnywhereIsReadUpToTheCutAndSaysSo) {
  const std::vector<Tick> ticks = some_ticks();
  record(path, ticks);
  const std::string whole = bytes_of(path);
  std::uint64_t most = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    put_bytes(path, whole.substr(0, size));
    RecordingReader reader(path);
    while (const auto tick = reader.next()) {
      ASSERT_LT(reader.ticks() - 1, ticks.size());
      ASSERT_EQ(tick->now, ticks[reader.ticks() - 1].now);
    }
    ASSERT_TRUE(reader.cut_at()) << "at byte " << size;
    EXPECT_LE(*reader.cut_at(), size);
    EXPECT_GE(reader.ticks(), most) << "a longer piece gives no fewer ticks";
    most = reader.ticks();
  }
  EXPECT_EQ(most, ticks.size()) << "a cut in the end frame costs no tick";
}

TEST_F(Recording, ReenactmentOfACutSaysWhereAndHowMuch) {
  record(path, {{Time(1), {}, 0}, {Time(2), {}, 0}});
  const std::string whole = bytes_of(path);
  put_bytes(path, whole.substr(0, whole.size() - 1));
  const Reenactment result = reenact(path);
  EXPECT_EQ(result.ticks, 2u);
  ASSERT_TRUE(result.cut_at);
  EXPECT_LT(*result.cut_at, whole.size());
  put_bytes(path, whole.substr(0, 5));
  EXPECT_EQ(reenact(path).ticks, 0u);
  EXPECT_EQ(reenact(path).cut_at, 0u);
}

TEST_F(Recording, OneThatWasNotFinishedReadsAsCut) {
  {
    Recorder recorder(path);
    put_head(recorder);
    recorder.tick(Time(1), {});
    recorder.hash(5);
    recorder.flush();
    recorder.tick(Time(2), {});  // what a crash costs
  }
  RecordingReader reader(path);
  ASSERT_TRUE(reader.next());
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.cut_at());
}

// ---- damage --------------------------------------------------------------------------------------------------------

void read_all(const std::string& path) {
  RecordingReader reader(path);
  while (reader.next()) {}
  if (reader.cut_at()) throw std::runtime_error("taken for cut");
}

TEST_F(Recording, EveryFlippedBitIsFoundAndNamed) {
  record(path, some_ticks());
  const std::string whole = bytes_of(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 1 << bit);
      put_bytes(path, damaged);
      try {
        read_all(path);
        ADD_FAILURE() << "byte " << at << " bit " << bit << " passed";
      } catch (const InputError& e) {
        EXPECT_EQ(e.file, path);
        EXPECT_TRUE(e.key.starts_with("byte ")) << e.what();
        EXPECT_LE(std::stoull(e.key.substr(5)), at);
      }
    }
  }
}

TEST_F(Recording, FrameLeftOutTwiceOrBehindTheEndIsFound) {
  record(path, some_ticks());
  const std::string whole = bytes_of(path);
  std::vector<std::size_t> begins;  // of the frames
  for (std::size_t at = recording::kMagic.size(); at < whole.size();) {
    begins.push_back(at);
    std::uint32_t kind, raw, packed;
    wire::Reader io(std::string_view(whole).substr(at));
    io(kind), io(raw), io(packed);
    at += recording::kFrameHead + packed;
  }
  ASSERT_EQ(begins.size(), 6u);
  const auto frame = [&](std::size_t i) {
    return whole.substr(begins[i], (i + 1 < begins.size() ? begins[i + 1] : whole.size()) - begins[i]);
  };
  const std::string head = whole.substr(0, begins[1]);
  for (const std::string& wrong :
       {head + frame(2) + frame(3) + frame(4) + frame(5), head + frame(1) + frame(1), whole + "x", whole + frame(5),
        head + frame(0), whole.substr(0, begins[0]) + frame(1), head + frame(5)}) {
    put_bytes(path, wrong);
    EXPECT_THROW(read_all(path), InputError);
  }
}

// ---- hostile, with checksums that match ----------------------------------------------------------------------------

std::string frame_of(std::uint32_t kind, std::uint32_t raw, const std::string& packed) {
  std::string front;
  wire::Writer io(front);
  io(kind), io(raw), io(static_cast<std::uint32_t>(packed.size()));
  io(recording::crc32c(packed));
  io(recording::crc32c(front));
  return front + packed;
}

// An uncompressed zstd frame (RFC 8878): magic, a single segment with its size, one raw block.
std::string stored(const std::string& raw) {
  std::string out("\x28\xb5\x2f\xfd\xa0", 5);
  wire::Writer io(out);
  io(static_cast<std::uint32_t>(raw.size()));
  const std::uint32_t block = static_cast<std::uint32_t>(raw.size()) << 3 | 1;
  out.push_back(static_cast<char>(block & 0xff));
  out.push_back(static_cast<char>(block >> 8 & 0xff));
  out.push_back(static_cast<char>(block >> 16));
  return out + raw;
}

std::string frame_of(recording::Frame kind, const std::string& raw) {
  return frame_of(static_cast<std::uint32_t>(kind), static_cast<std::uint32_t>(raw.size()), stored(raw));
}

std::string good_head() {
  return recording::encode(a_fleet(), some_tables(), find_policies("random", "fcfs", "room"), kBounds, kSeed);
}

std::string error_of(const std::string& path, const std::string& bytes) {
  put_bytes(path, bytes);
  try {
    read_all(path);
  } catch (const InputError& e) {
    return e.found;
  } catch (const std::exception& e) {
    return e.what();
  }
  return "none";
}

TEST_F(Recording, HostileLengthsAreRefusedBeforeAnythingIsMadeOfThem) {
  const std::string magic(recording::kMagic);
  const std::string head = magic + frame_of(recording::Frame::head, good_head());
  EXPECT_EQ(error_of(path, head), "taken for cut");  // the frames made here are right, else this says another thing
  const auto front_only = [](std::uint32_t kind, std::uint32_t raw, std::uint32_t packed) {
    std::string front;
    wire::Writer io(front);
    io(kind), io(raw), io(packed), io(0u);
    io(recording::crc32c(front));
    return front;
  };
  EXPECT_EQ(error_of(path, head + front_only(2, 0xffff'ffff, 10)), "a frame larger than any");
  EXPECT_EQ(error_of(path, head + front_only(2, 10, 0xffff'ffff)), "a frame larger than any");
  EXPECT_EQ(error_of(path, head + front_only(9, 10, 10)), "a frame of no known kind");
  EXPECT_EQ(error_of(path, head + front_only(2, 10, 50'000'000)), "taken for cut");
  EXPECT_EQ(error_of(path, head + frame_of(2, 60'000'000, stored("little"))), "bytes that cannot be unpacked");
  EXPECT_EQ(error_of(path, head + frame_of(2, 2, stored("too much"))), "bytes that cannot be unpacked");

  // A count of 2^32 - 1 in place of each 32-bit word of a head and of a frame of ticks.
  const std::string raw = good_head();
  for (std::size_t at = 0; at + 4 <= raw.size(); ++at) {
    std::string hostile = raw;
    hostile.replace(at, 4, "\xff\xff\xff\xff");
    put_bytes(path, magic + frame_of(recording::Frame::head, hostile));
    try {
      read_all(path);
    } catch (const std::exception&) {}
  }
  std::string ticks;
  wire::Writer io(ticks);
  io(std::uint64_t{0}), io(std::uint32_t{1}), io(Time(5)), io(std::uint32_t{1});
  recording::encode(io, some_ticks()[2].events[0]);
  io(std::uint64_t{77});
  EXPECT_EQ(error_of(path, head + frame_of(recording::Frame::ticks, ticks)), "taken for cut");
  int refused = 0;
  for (std::size_t at = 0; at + 4 <= ticks.size(); ++at) {
    std::string hostile = ticks;
    hostile.replace(at, 4, "\xff\xff\xff\xff");
    refused += error_of(path, head + frame_of(recording::Frame::ticks, hostile)) != "taken for cut";
  }
  EXPECT_GT(refused, 20);
}

TEST_F(Recording, HeadThatNoShardCouldHaveIsRefused) {
  const auto error = [&](auto change) {
    FleetView fleet = a_fleet();
    Bounds bounds = kBounds;
    change(fleet, bounds);
    const std::string raw = recording::encode(fleet, some_tables(), find_policies("random", "fcfs", "room"), bounds, 1);
    return error_of(path, std::string(recording::kMagic) + frame_of(recording::Frame::head, raw));
  };
  EXPECT_EQ(error([](FleetView&, Bounds&) {}), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[0].model = {2}; }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[0].cost = {}; }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[1].first_device = 0; }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[1].devices = 0x7fff'ffff; }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[0].block_tokens = Tokens(0); }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[0].max_sequences = 0; }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.pools[0].max_context = Tokens(5000); }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.classes.clear(); }), "taken for cut");
  EXPECT_NE(error([](FleetView& f, Bounds&) { f.regions.resize(65); }), "taken for cut");
  EXPECT_NE(error([](FleetView&, Bounds& b) { b.sequences = 0xffff'ffff; }), "taken for cut");
  EXPECT_NE(error([](FleetView&, Bounds& b) { b.events_per_tick = 0; }), "taken for cut");
}

TEST_F(Recording, EventsAboutWhatThereIsNotAreRefused) {
  const std::string head = std::string(recording::kMagic) + frame_of(recording::Frame::head, good_head());
  const auto error = [&](const Event& event, Time before = Time(0)) {
    std::string ticks;
    wire::Writer io(ticks);
    io(std::uint64_t{0}), io(std::uint32_t{2}), io(before), io(std::uint32_t{0});
    io(Time(5)), io(std::uint32_t{1});
    recording::encode(io, event);
    io(std::uint64_t{77});
    return error_of(path, head + frame_of(recording::Frame::ticks, ticks));
  };
  EXPECT_EQ(error(DeviceChanged{{3}, DeviceState::up}), "taken for cut");
  EXPECT_NE(error(DeviceChanged{{4}, DeviceState::up}), "taken for cut");
  EXPECT_NE(error(RunEnded{{4, 1}, {4}, RunEnd::step_limit, 1, {}, {}}), "taken for cut");
  Submitted s{};
  s.tenant = {1}, s.slo = {1};
  EXPECT_EQ(error(s), "taken for cut");
  s.slo = {2};
  EXPECT_NE(error(s), "taken for cut");
  s.slo = {0}, s.tenant = {2};
  EXPECT_NE(error(s), "taken for cut");
  EXPECT_EQ(error(CapChanged{{0}, Milliwatts(1)}), "the cap of a power domain that there is not");
  EXPECT_EQ(error(CancelAsked{}, Time(6)), "time goes back");
}

TEST_F(Recording, CorrectionsOfCostsBeyondTheirBoundsAreRefused) {
  FleetView fleet;
  fleet.pools.resize(1);
  fleet.pools[0].cost = CostRow{2};
  const auto error = [&](std::uint32_t row, std::uint32_t scale, std::uint32_t permille) -> std::string {
    try {
      recording::check_event(CostCorrected{CostRow{row}, {1024, 1024, scale, 1024, 1024}, permille}, fleet);
      return "none";
    } catch (const wire::Malformed& e) {
      return e.what;
    }
  };
  const std::string refused = "a correction of costs that there are not, or beyond its bounds";
  EXPECT_EQ(error(2, kLeastCostScale, 0), "none");
  EXPECT_EQ(error(2, kMostCostScale, 1000), "none");
  EXPECT_EQ(error(1, 1024, 0), refused);
  EXPECT_EQ(error(2, kLeastCostScale - 1, 0), refused);
  EXPECT_EQ(error(2, kMostCostScale + 1, 0), refused);
  EXPECT_EQ(error(2, 1024, 1001), refused);
  const auto spread = [&](const CostSpread& of) -> std::string {
    try {
      recording::check_event(CostCorrected{CostRow{2}, kCostsAsSaid, 100, of}, fleet);
      return "none";
    } catch (const wire::Malformed& e) {
      return e.what;
    }
  };
  EXPECT_EQ(spread({.quantiles = {1000, 1100, kMostSpread}, .common = 90}), "none");
  EXPECT_EQ(spread({.quantiles = {1000, 1100, kMostSpread + 1}}), refused);
  EXPECT_EQ(spread({.quantiles = {1000, 900, 1100}}), refused);
  EXPECT_EQ(spread({.quantiles = {}, .common = 1}), refused);
}

TEST_F(Recording, CapsOfDomainsThatThereAreNotAreRefused) {
  FleetView fleet;
  fleet.domains.resize(1);
  fleet.domains[0].name = "hall", fleet.domains[0].cap = Milliwatts(5);
  const auto error = [&](std::uint32_t domain, std::int64_t cap) -> std::string {
    try {
      recording::check_event(CapChanged{{domain}, Milliwatts(cap)}, fleet);
      return "none";
    } catch (const wire::Malformed& e) {
      return e.what;
    }
  };
  EXPECT_EQ(error(0, 0), "none");
  EXPECT_EQ(error(1, 5), "the cap of a power domain that there is not");
  EXPECT_EQ(error(DomainId::kNone, 5), "the cap of a power domain that there is not");
  EXPECT_EQ(error(0, -1), "a cap beyond its bounds");
}

// ---- files ---------------------------------------------------------------------------------------------------------

TEST_F(Recording, OtherFilesAreRefusedByName) {
  put_bytes(path, "TIMESTAMP,ContextTokens,GeneratedTokens\n");
  EXPECT_THROW(RecordingReader{path}, InputError);
  EXPECT_THROW(RecordingReader{"/no/such/file"}, InputError);
  EXPECT_THROW(RecordingReader{std::filesystem::temp_directory_path().string()}, InputError);
  EXPECT_THROW(Recorder{"/no/such/folder/file"}, InputError);
  EXPECT_THROW(Recorder{std::filesystem::temp_directory_path().string()}, InputError);
}

TEST(Recorder, FullDiskStopsTheRecordingAndIsSaid) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  Recorder recorder("/dev/full");
  put_head(recorder);
  EXPECT_TRUE(recorder.error());
  recorder.tick(Time(1), {});
  recorder.hash(1);
  EXPECT_THROW(recorder.finish(), InputError);
}

TEST(Crc32c, IsCastagnolis) { EXPECT_EQ(recording::crc32c("123456789"), 0xe3069283u); }

}  // namespace
}  // namespace yard
