# Run as `cmake -DCOMPILER= -DSOURCE= -DINCLUDES= -DDEFINE= -DEXPECT= -DFIRST= -P`: see
# cohort_compile_fail_test.
set(command "${COMPILER}" -std=c++20 -fsyntax-only)
foreach(include IN LISTS INCLUDES)
  list(APPEND command "-I${include}")
endforeach()

execute_process(COMMAND ${command} -DCOHORT_CONTROL "${SOURCE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "The control does not compile:\n${output}")
endif()

execute_process(COMMAND ${command} ${DEFINE} "${SOURCE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, and must not.")
endif()
foreach(expected IN LISTS EXPECT)
  if(NOT output MATCHES "${expected}")
    message(FATAL_ERROR "The compiler does not say \"${expected}\", but:\n${output}")
  endif()
endforeach()

# Of the lines with an error: they cannot be split at ";", which some hold.
if(FIRST)
  if(NOT output MATCHES "error:[^\n]*")
    message(FATAL_ERROR "The compiler names no error, but says:\n${output}")
  endif()
  set(first "${CMAKE_MATCH_0}")
  if(NOT first MATCHES "${FIRST}")
    message(FATAL_ERROR "The first error is not \"${FIRST}\", but:\n${first}\nof\n${output}")
  endif()
endif()
