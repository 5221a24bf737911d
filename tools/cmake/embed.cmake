# IN, OUT, SYMBOL: writes the bytes of IN as a string constant. Raw literals are limited to 64 KiB, hence the pieces.
file(READ "${IN}" text)
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "    R\"yard~(${piece})yard~\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE "${OUT}" "#include <string_view>
namespace yard::embedded {
extern const std::string_view ${SYMBOL};
const std::string_view ${SYMBOL} =
${pieces};
}  // namespace yard::embedded
")
