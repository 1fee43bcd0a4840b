# Run as `cmake -DCOMPILER= -DSOURCE= -DINCLUDES= -DEXPECT= -P`: see cohort_compile_fail_test.
set(command "${COMPILER}" -std=c++20 -fsyntax-only)
foreach(include IN LISTS INCLUDES)
  list(APPEND command "-I${include}")
endforeach()

execute_process(COMMAND ${command} -DCOHORT_CONTROL "${SOURCE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "The control does not compile:\n${output}")
endif()

execute_process(COMMAND ${command} "${SOURCE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, and must not.")
endif()
foreach(expected IN LISTS EXPECT)
  if(NOT output MATCHES "${expected}")
    message(FATAL_ERROR "The compiler does not say \"${expected}\", but:\n${output}")
  endif()
endforeach()
