# Fails when the early entry calls what is not its own: a compiler may make memcpy(3) of a loop, and before the C
# library has started such a call goes nowhere.
execute_process(COMMAND ${NM} -u -C ${ARCHIVE} OUTPUT_VARIABLE undefined COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]* U [^\n]*" wanted "${undefined}")
foreach(symbol IN LISTS wanted)
  if(NOT symbol MATCHES " U (_start|_GLOBAL_OFFSET_TABLE_|lightv::entry::.*)$")
    file(REMOVE ${ARCHIVE})
    message(FATAL_ERROR "the early entry must not need ${symbol}")
  endif()
endforeach()
