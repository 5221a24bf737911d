// Tenants, places and watts through the embedder's door, on real threads.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/gate.h"
#include "tests/live_answers.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;
using yard::Gate;

Outcome ended(Scheduler& scheduler, Request request) {
  request.prompt = kPrompt;
  request.max_tokens = 2;
  Reply reply = scheduler.submit(request);
  return end_of(reply);
}

std::string refused(Options options) {
  if (options.devices.empty()) options.devices = {host_device("a", count_up)};
  const auto opened = Scheduler::open(std::move(options));
  return std::holds_alternative<ConfigError>(opened) ? std::get<ConfigError>(opened).message : "accepted";
}

// ---- tenants --------------------------------------------------------------------------------------------------------

TEST(DoorTerms, ATenantsQuotaEndsAtTheDoorAndAnothersDoesNot) {
  Options options;
  options.devices = {host_device("a", count_up)};
  options.tenants = {{.name = "free", .requests_per_s = 0.001, .requests_burst = 2}, {.name = "paying"}};
  Scheduler scheduler(std::move(options));
  EXPECT_EQ(ended(scheduler, {.tenant = "free"}).end, End::done);
  EXPECT_EQ(ended(scheduler, {}).end, End::done) << "no name: the first one";
  const Outcome beyond = ended(scheduler, {.tenant = "free"});
  EXPECT_EQ(beyond.end, End::rejected);
  EXPECT_EQ(beyond.why, "quota");
  EXPECT_GT(beyond.retry_after, 900s);
  EXPECT_EQ(ended(scheduler, {.tenant = "unheard of"}).why, "quota") << "an unknown name: the first one";
  EXPECT_EQ(ended(scheduler, {.tenant = "paying"}).end, End::done);
}

TEST(DoorTerms, ATenantsTokensAndDollarsAreLimited) {
  Options options;
  options.devices = {host_device("a", count_up)};
  options.tenants = {{.name = "tokens", .tokens_per_s = 0.001, .tokens_burst = 7},
                     {.name = "dollars",
                      .usd_per_day = 0.000'02,
                      .usd_per_million_prompt_tokens = 2,
                      .usd_per_million_output_tokens = 4}};
  Scheduler scheduler(std::move(options));
  for (const char* tenant : {"tokens", "dollars"}) {
    EXPECT_EQ(ended(scheduler, {.tenant = tenant}).end, End::done) << tenant;  // 5 tokens; 14 millionths of a dollar
    EXPECT_EQ(ended(scheduler, {.tenant = tenant}).why, "quota") << tenant;
  }
}

TEST(DoorTerms, SharesFollowWeights) {
  Gate gate;
  gate.shut();
  std::vector<char> order;
  Options options;
  options.devices = {host_device("a",
                                 [&](StepView& step) {
                                   gate.pass();
                                   for (auto& slot : step)
                                     if (slot.samples) {
                                       order.push_back(slot.input[0] == 1 ? 'a' : 'b');
                                       slot.emit(7);
                                     }
                                 },
                                 {.slots = 1})};
  options.tenants = {{.name = "a", .weight = 3}, {.name = "b", .weight = 1}};
  options.order = "fcfs";
  Scheduler scheduler(std::move(options));
  const Token of_a[] = {1}, of_b[] = {2};
  std::vector<Reply> replies;
  replies.push_back(scheduler.submit({.prompt = of_b, .max_tokens = 1, .tenant = "b"}));
  gate.wait_for(1);
  for (int k = 0; k < 20; ++k) replies.push_back(scheduler.submit({.prompt = of_b, .max_tokens = 1, .tenant = "b"}));
  for (int k = 0; k < 20; ++k) replies.push_back(scheduler.submit({.prompt = of_a, .max_tokens = 1, .tenant = "a"}));
  Reply last = scheduler.submit({.prompt = of_a, .max_tokens = 1u << 20, .model = "none"});  // all before it are in
  end_of(last);
  gate.open();
  for (Reply& reply : replies) EXPECT_EQ(end_of(reply).end, End::done);
  const auto of_a_at_first = std::count(order.begin() + 1, order.begin() + 17, 'a');
  EXPECT_GE(of_a_at_first, 11) << "three of four, though b came first";
  EXPECT_LE(of_a_at_first, 13);
}

// ---- places ---------------------------------------------------------------------------------------------------------

TEST(DoorTerms, ARequestRunsOnlyWhereItAndItsTenantMay) {
  Options options;
  options.devices = {endpoint("here", {.region = "east", .provider = "one"}),
                     endpoint("there", {.region = "west", .provider = "two"})};
  options.tenants = {{.name = "any"}, {.name = "west only", .regions = {"west"}}};
  options.policy = "least_loaded";
  Scheduler scheduler(std::move(options));
  const auto where = [&](PlaceRequest request) {
    request.prompt = kPrompt;
    auto first = std::make_shared<std::promise<std::string>>();
    std::future<std::string> at = first->get_future();
    Ticket ticket = scheduler.place(request, [first, told = false](const Placement& to) mutable {
      if (!std::exchange(told, true)) first->set_value(std::string(to.end ? to.end->why : to.device));
    });
    return at.get();
  };
  const std::array<std::string_view, 1> east{"east"}, west{"west"}, one{"one"}, two{"two"}, moon{"moon"};
  EXPECT_EQ(where({.regions = east}), "here");
  EXPECT_EQ(where({.regions = west}), "there");
  EXPECT_EQ(where({.providers = two}), "there");
  EXPECT_EQ(where({.tenant = "west only"}), "there");
  EXPECT_EQ(where({.tenant = "west only", .regions = east}), "no_region");
  EXPECT_EQ(where({.regions = moon}), "no_region");
  EXPECT_EQ(where({.regions = west, .providers = one}), "no_provider");
}

// ---- watts ----------------------------------------------------------------------------------------------------------

TEST(DoorTerms, ACapKeepsDevicesFromWorkingTogetherUntilItRises) {
  Gate gate;
  gate.shut();
  const auto step = [&](StepView& slots) {
    gate.pass();
    count_up(slots);
  };
  Options options;
  options.devices = {host_device("a", step, {.idle_w = 10, .busy_w = 100}),
                     host_device("b", step, {.idle_w = 10, .busy_w = 100})};
  options.power_domains = {{.name = "row", .cap_w = 120, .devices = {"a", "b"}}};
  options.policy = "least_loaded";
  std::string line;
  options.log = [&](std::string_view text) { line = text; };
  Scheduler scheduler(std::move(options));
  Reply first = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  gate.wait_for(1);
  Reply second = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  Reply marker = scheduler.submit({.prompt = kPrompt, .model = "none"});
  end_of(marker);
  const std::string metrics = scheduler.metrics();
  const auto says = [&](const char* sample) { return metrics.find(sample) != std::string::npos; };
  EXPECT_TRUE(says("switchyard_device_running{device=\"a\",model=\"default\"} 1\n"));
  EXPECT_TRUE(says("switchyard_device_running{device=\"b\",model=\"default\"} 0\n")) << "there are not 90 W more";
  EXPECT_TRUE(says("switchyard_device_waiting{device=\"b\",model=\"default\"} 1\n"));
  scheduler.set_cap("nowhere", 5);
  EXPECT_EQ(line, "set_cap: there is no power domain 'nowhere'");
  scheduler.set_cap("row", 19);
  EXPECT_EQ(line, "set_cap: 19 W is below what the devices of 'row' draw idle");
  scheduler.set_cap("row", 500);
  gate.wait_for(2);
  gate.open();
  EXPECT_EQ(end_of(first).end, End::done);
  EXPECT_EQ(end_of(second).end, End::done);
}

// ---- what is wrong --------------------------------------------------------------------------------------------------

TEST(DoorTerms, WhoIsSureToBeLateIsRejectedWhereItsClassSaysSo) {
  Options options;
  options.devices = {host_device("a", count_up)};
  options.classes = {{.name = "soft", .e2e = 1ns}, {.name = "hard", .e2e = 1ns, .sure_percent = 50}};
  Scheduler scheduler(std::move(options));
  EXPECT_EQ(ended(scheduler, {.slo = "soft"}).end, End::done);
  const Outcome late = ended(scheduler, {.slo = "hard"});
  EXPECT_EQ(late.end, End::rejected);
  EXPECT_EQ(late.why, "overloaded");
}

TEST(DoorTerms, EveryMistakeHasItsOneLine) {
  EXPECT_EQ(refused({.tenants = {{.name = "a"}, {.name = "a"}}}), "tenants[1].name: 'a' twice; a name of its own");
  EXPECT_EQ(refused({.tenants = {{.name = "a", .requests_per_s = -1}}}),
            "tenants[0].requests_per_s: -1; 0 to 1000000000");
  EXPECT_EQ(refused({.tenants = {{.name = "a", .usd_per_day = 3}}}),
            "tenants[0].usd_per_day: no price beside it; a price of prompt or output tokens above 0");
  EXPECT_EQ(refused({.tenants = {{.name = "a", .regions = {"moon"}}}}),
            "tenants[0].regions: 'moon'; regions that a device stands in");
  EXPECT_EQ(refused({.power_domains = {{.name = "row", .cap_w = 5, .devices = {"z"}}}}),
            "power_domains[0].devices: 'z'; names of devices");
  EXPECT_EQ(refused({.power_domains = {{.name = "row", .cap_w = 5, .parent = "hall"}}}),
            "power_domains[0].parent: 'hall'; a domain named before");
  EXPECT_EQ(refused({.devices = {host_device("a", count_up, {.idle_w = 10, .busy_w = 30})},
                     .power_domains = {{.name = "row", .cap_w = 20, .devices = {"a"}}}}),
            "power_domains[0].cap_w: 20; at least 30, with which any one of its devices can run");
  EXPECT_EQ(refused({.devices = {host_device("a", count_up, {.idle_w = 10, .busy_w = 3})}}),
            "devices[0].busy_w: 3; at least idle_w");
  EXPECT_EQ(refused({.classes = {{.name = "a", .ttft = 1ms, .sure_percent = 95}}}),
            "classes.sure_percent: 95; 0, 50, 90 or 99");
  EXPECT_EQ(refused({.classes = {{.name = "a", .tpot = 1ms, .sure_percent = 90}}}),
            "classes.sure_percent: neither ttft nor e2e; one of them beside it");
}

}  // namespace
}  // namespace switchyard
