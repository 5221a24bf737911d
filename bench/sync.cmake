# Rivals are headers that this repository does not carry: a folder that holds taskflow/taskflow.hpp, or empty, and then
# their rows are left out.
set(SWITCHYARD_TASKFLOW "" CACHE PATH "Folder of Taskflow's headers, for a bench's rows of rivals")
yard_bench(task_deque_bench ENTERS base sync)
yard_bench(parking_bench ENTERS base sync)
if(SWITCHYARD_TASKFLOW)
  target_include_directories(task_deque_bench SYSTEM PRIVATE ${SWITCHYARD_TASKFLOW})
  target_compile_definitions(task_deque_bench PRIVATE SWITCHYARD_HAS_TASKFLOW)
endif()
