// A small operator profile and a small recorded run, as files of one test.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/trace_files.h"

namespace yard::testing {

inline void put(const std::filesystem::path& file, std::string_view text) {
  std::filesystem::create_directories(file.parent_path());
  std::filesystem::remove(file);
  std::ofstream(file, std::ios::binary) << text;
}

// Of llama-3.1-8b (32 layers): every operator of a layer takes 1 us and 0.01 us a token, embedding and last norm 2 us;
// LM head 100 us, sampler 10 us; attention 5 us, 0.1 us a token read, 0.001 us a token of KV.
inline void put_profile(const std::filesystem::path& folder, std::string_view skew = "{enabled: false}") {
  put(folder / "meta.yaml", "model: meta-llama/Llama-3.1-8B\nhardware: RTX4090\nskew_fit: " + std::string(skew) + "\n");
  std::string dense = "layer,tokens,time_us\n";
  for (const char* op : {"layernorm", "qkv_proj", "rotary_emb", "o_proj", "gate_up_proj", "act_fn", "down_proj"})
    dense += std::string(op) + ",1,1.01\n" + op + ",2001,21.01\n";
  for (const char* op : {"embedding", "final_layernorm"}) dense += std::string(op) + ",1,2\n";
  put(folder / "tp1/dense.csv", dense);
  put(folder / "tp1/per_sequence.csv", "layer,sequences,time_us\nlm_head,1,100\nsampler,1,10\n");
  std::string attention = "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n";
  for (const int read : {0, 1000})
    for (const int decoding : {0, 1, 10})
      for (const int context : {0, 1000})
        if ((read > 0 || decoding > 0) && (decoding > 0 || context == 0))
          attention += std::to_string(read) + ",0," + std::to_string(decoding) + "," + std::to_string(context) + "," +
                       std::to_string(5 + read / 10 + decoding * context / 1000) + "\n";
  put(folder / "tp1/attention.csv", attention);
}

// Four requests of 40 tokens, 0.1 s apart, 3 tokens of answer each; the first 32 tokens are the same in all. The
// engine's clock is 1,000 s behind; the second waits 50 ms to be taken in, the third then 10 ms for a slot.
inline void put_run(const std::filesystem::path& folder) {
  put_profile(folder / "profile");
  put(folder / "config.json", R"({"nodes": [{"instances": [{"hardware": "RTX4090"}]}]})");
  put(folder / "vllm/meta.json",
      R"({"model": "meta-llama/Llama-3.1-8B", "vllm_version": "0.19.0", "dataset_path": "workloads/four.jsonl",
  "engine_kwargs": {"tensor_parallel_size": 1, "max_num_seqs": 8, "max_num_batched_tokens": 64, "max_model_len": null},
  "kv_cache": {"num_gpu_blocks": 33, "block_size": 16, "enable_prefix_caching": true}})");
  std::string stream, answers;
  for (int i = 0; i < 4; ++i) {
    stream += R"({"input_toks": 40, "output_toks": 3, "input_tok_ids": [)";
    for (int t = 0; t < 40; ++t) stream += (t ? "," : "") + std::to_string(t < 32 ? t : 1000 * i + t);
    stream += "]}\n";
    const double at = 5000 + 0.1 * i, queued = at - 1000 + (i == 1 ? 0.05 : 0);
    answers += R"({"input_toks": 40, "output_toks": 3, "arrival_time": )" + std::to_string(at) + R"(, "queued_ts": )" +
               std::to_string(queued) + R"(, "scheduled_ts": )" + std::to_string(queued + (i == 2 ? 0.01 : 0)) +
               R"(, "first_token_ts": )" + std::to_string(queued + 0.02) + R"(, "last_token_ts": )" +
               std::to_string(queued + 0.04) + "}\n";
  }
  put(folder / "four.jsonl", stream);
  put(folder / "vllm/requests.jsonl", answers);
}

}  // namespace yard::testing
