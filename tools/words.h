// What the command line says when it cannot take a word: in one line, with the nearest valid one.
#pragma once
#include <cstdint>
#include <limits>
#include <string>

#include <CLI/CLI.hpp>

// An option that takes a whole number, or a decimal one. Unlike the parser's own, `-1` and 2^64 are refused.
// Errors, while parsing: yard::InputError.
CLI::Option* add_whole(CLI::App&, const std::string& name, std::uint64_t& value, const std::string& meaning,
                       std::uint64_t least = 0, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
CLI::Option* add_decimal(CLI::App&, const std::string& name, double& value, const std::string& meaning, double least,
                         double most);

// Returns: what is wrong with the words of a command line that did not parse, and where help is.
std::string explained(const CLI::App&, int argc, char** argv, const CLI::ParseError&);
