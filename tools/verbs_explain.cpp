// explain: why a recorded request went where it went.
#include <memory>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/explain.h"
#include "tools/verbs.h"
#include "tools/words.h"

namespace {

struct ExplainFlags {
  std::string recording, request;
  std::uint64_t row = 0;
  bool json = false;
};

int explain(const ExplainFlags& flags, bool by_row) {
  yard::AskedRequest asked;
  if (by_row)
    asked.row = flags.row;
  else
    asked = yard::AskedRequest::parse(flags.request);
  const yard::Explanation found = yard::explain(flags.recording, asked);
  yard::OutputFile out("-");
  out.write(flags.json ? yard::explanation_json(found) : yard::explanation_text(found));
  out.commit();
  return found.equal ? kDone : kBug;
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ExplainFlags>();
  CLI::App* verb = app.add_subcommand("explain", "why a recorded request went where it went, or was refused");
  verb->footer(
      "examples:\n  switchyard explain shard0.rec --row 7\n  switchyard explain shard0.rec --request 0:1 --json\n"
      "Costs are in misses: promises that the request is expected to miss itself (own), to make others miss\n"
      "there (others) and later (to come), and what its seconds and dollars weigh beside them. *: the device chosen.");
  verb->add_option("recording", flags->recording, "a recording, as written by --record or record_to")
      ->type_name("FILE")
      ->required();
  CLI::Option* request =
      verb->add_option("--request", flags->request, "its id: INDEX:GENERATION; without one, the first of that index")
          ->type_name("INDEX");
  CLI::Option* row = add_whole(*verb, "--row", flags->row, "the N-th submitted, from 0: the id of --requests-csv");
  verb->add_flag("--json", flags->json, "for programs");
  verb->callback([=, &action] {
    if (request->count() + row->count() != 1)
      throw yard::InputError("", 0, "explain", request->count() == 0 ? "found no request" : "found two requests",
                             "accepted: --request INDEX[:GENERATION], or --row N");
    action = [flags, by_row = row->count() > 0] { return explain(*flags, by_row); };
  });
}
