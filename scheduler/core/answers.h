// Requests of several answers: what such a request is beside its sequences, one for each answer.
//
// One sequence, the first, stands for the request until its prompt has been read; then the others join it. It stays in
// the pool until all have ended, and the request ends with the last of them. (README.md, "Several answers")
//
// Threads: the shard's own. Owns: nothing; the sequences are the pool's.
// N1  the first stands at the head of its list, then the others in order of their numbers, until each has said its end.
#pragma once
#include <algorithm>

#include "scheduler/core/sequence.h"

namespace yard {

struct AnswerGroup {
  std::uint32_t first, last;  // sequences, linked by next_answer
  std::uint32_t to_come;      // answers that wait until the prompt is read
  std::uint32_t unsaid;       // sequences whose end is not said yet
  std::uint32_t next;         // free, or to be stopped
  bool stops;                 // one of them did not end as done, so that none goes on
  Outcome outcome;            // of the first that is not done
  Reason why;
  std::int32_t output, longest;
  std::uint32_t preemptions, moves;
  Time first_token, last_token;

  void adds(const Sequence& s) {
    output += s.generated;
    longest = std::max(longest, s.generated);
    preemptions += s.preemptions;
    moves += s.moves;
    if (s.first_token == Time::never()) return;
    first_token = std::min(first_token, s.first_token);
    last_token = last_token == Time::never() ? s.last_token : std::max(last_token, s.last_token);
  }
};

class AnswerGroups {
 public:
  explicit AnswerGroups(std::size_t sequences) : all_(sequences + 1) {}

  AnswerGroup& operator[](std::uint32_t g) { return all_[g]; }
  AnswerGroup& of(const Sequence& s) { return all_[s.group]; }

  // The sequence, alone until its prompt is read, stands for a request of so many answers.
  void make(SequencePool& pool, std::uint32_t i, std::uint32_t answers) {
    std::uint32_t g = free_;
    if (g != 0)
      free_ = all_[g].next;
    else
      g = ++used_;
    CHECK(g < all_.size());
    all_[g] = {.first = i,
               .last = i,
               .to_come = answers - 1,
               .unsaid = 1,
               .next = 0,
               .stops = false,
               .outcome = Outcome::done,
               .why = Reason::none,
               .output = 0,
               .longest = 0,
               .preemptions = 0,
               .moves = 0,
               .first_token = Time::never(),
               .last_token = Time::never()};
    pool[i].group = g;
    pool[i].next_answer = kNobody;
  }
  void give_back(std::uint32_t g) {
    all_[g].next = free_;
    free_ = g;
  }

  void join(SequencePool& pool, std::uint32_t g, std::uint32_t i) {
    AnswerGroup& group = all_[g];
    pool[i].group = g;
    pool[i].next_answer = kNobody;
    pool[group.last].next_answer = i;
    group.last = i;
    ++group.unsaid;
    --group.to_come;
  }
  // Requires: it is not the first.
  void leave(SequencePool& pool, std::uint32_t i) {
    AnswerGroup& group = of(pool[i]);
    std::uint32_t before = group.first;
    while (pool[before].next_answer != i) before = pool[before].next_answer;
    pool[before].next_answer = pool[i].next_answer;
    if (group.last == i) group.last = before;
  }

  // One of them did not end as done: by the next poll the others are stopped.
  void stop(std::uint32_t g, Outcome outcome, Reason why) {
    AnswerGroup& group = all_[g];
    if (group.stops) return;
    group.stops = true;
    group.outcome = outcome;
    group.why = why;
    group.next = stopping_;
    stopping_ = g;
  }
  // Returns: one whose sequences are to be stopped; 0: none is left.
  std::uint32_t take_stopping() {
    const std::uint32_t g = stopping_;
    if (g != 0) stopping_ = all_[g].next;
    return g;
  }

 private:
  LazyArray<AnswerGroup> all_;  // from 1
  std::uint32_t free_ = 0, used_ = 0, stopping_ = 0;
};

}  // namespace yard
