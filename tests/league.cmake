# The league's parts are built with the benches.
if(SWITCHYARD_BENCHES)
  yard_test(league_test LINKS league_parts)
endif()
