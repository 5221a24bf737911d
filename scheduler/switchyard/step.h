// What a device's step function sees: the slots of one forward pass.
//
//   void step(switchyard::StepView& step) {
//     for (switchyard::StepSlot& slot : step) {
//       model.read(slot.sequence, slot.context, slot.input);
//       if (slot.samples) slot.emit(model.next(slot.sequence));
//     }
//   }
//
// Threads: the device's own, during the call; a slot means nothing after it.
// This header includes the standard library only.
#pragma once
#include <switchyard/scheduler.h>

namespace switchyard {

// One sequence in one forward pass.
struct StepSlot {
  std::uint64_t sequence = 0;  // stable over the sequence's life on this device
  std::uint32_t context =
      0;  // tokens already in KV; 0 again after a preemption: prompt and answer so far are read anew
  std::span<const Token> input;              // to read now: a prefill chunk, or the last token
  std::span<const std::uint32_t> kv_blocks;  // addresses, where the device was given a pool; empty on a host device
  bool samples =
      false;            // this step yields a token: emit() it, or stop(), or both; false while a prompt is read in part
  bool scores = false;  // its prompt ends in this step, and no token was asked for: the result is due now
  std::uint64_t tag = 0;       // as in its Request
  std::string_view adapter{};  // the LoRA adapter that it wants; empty: none
  std::uint32_t answer = 0;    // which of its Request's n answers this is, from 0: each draws its own

  // The next token; goes to the caller's reply at once. Once a step, and only where `samples` is set: a slot that
  // breaks this, or samples and neither emits nor stops, fails ("device_failed").
  void emit(Token) noexcept;
  // The model ended the sequence: with the token emitted in this step, or without one.
  void stop() noexcept;

  struct Backing;
  Backing* backing = nullptr;  // ours
};

struct StepView {
  StepSlot* begin() const { return slots.data(); }
  StepSlot* end() const { return slots.data() + slots.size(); }
  std::size_t size() const { return slots.size(); }

  std::span<StepSlot> slots;
};

// Steps that follow each other, of a device whose loop is yours (scheduler.h: Lane). Between next() and the following
// call, compute the step as a host device's function would: the same rules hold for emit() and stop().
//
// Threads: the lane's, until Lane::ended() or failed(); it means nothing after.
class PulledRun {
 public:
  bool more() noexcept;  // false: a sequence ended, a prompt was read, a limit was reached, or somebody wants to join
  StepView next() noexcept;  // the next step's slots; none where there is no more

 private:
  friend class yard::PulledDevice;
  explicit PulledRun(yard::PulledDevice& device) : device_(&device) {}
  yard::PulledDevice* device_;
};

}  // namespace switchyard
