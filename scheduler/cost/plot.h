// Predicted beside measured, as a picture (SVG): both axes logarithmic, the diagonal, and a band of +- 20 %.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yard {

// `pairs`: predicted, measured, both above 0; at most 3,000 are drawn, evenly taken. `unit` is the axes'.
std::string plot_svg(std::string_view title, std::string_view unit,
                     const std::vector<std::pair<double, double>>& pairs);

}  // namespace yard
