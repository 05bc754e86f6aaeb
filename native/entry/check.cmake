# Fails when the early entry needs what is not there yet before the C library has started: functions of others (a compiler
# may make memcpy(3) of a loop), or addresses from a table that the start fills (the GOT of a position independent program).
execute_process(COMMAND ${NM} -u -C ${ARCHIVE} OUTPUT_VARIABLE undefined COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${READELF} -rW ${ARCHIVE} OUTPUT_VARIABLE relocations COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]* U [^\n]*" wanted "${undefined}")
list(FILTER wanted EXCLUDE REGEX " U (_start|lightv::entry::.*)$")
string(REGEX MATCHALL "[^\n]* R_[A-Z0-9_]*GOT[^\n]*" tables "${relocations}")
if(wanted OR tables)
  file(REMOVE ${ARCHIVE})
  message(FATAL_ERROR "the early entry must not need ${wanted} ${tables}")
endif()
