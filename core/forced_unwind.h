// For threads that run users' code, which may end them (pthread_exit).
#pragma once

namespace cohort {

/// Has the unwinder set itself up, once. A program that is linked with -static-libgcc has one of
/// its own, which does so with the first exception, while pthread_exit goes through the shared one:
/// it would find ours unprepared, and abort.
void prepare_for_forced_unwind();

}  // namespace cohort
