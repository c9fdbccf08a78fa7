"""Start ministack with what it lacks for this system, each addition in one function named `install_...`.

Runs on the interpreter of `.venvs/cloud`, which has nothing else of the project: only the standard library, ministack
and what that needs may be imported here, and those inside functions, so that the modules can be read without them.
The additions replace private functions of ministack. `contract` has a digest of the source of each function they
replace or lean on; a ministack with other sources is refused at start instead of failing in the middle of a run.
"""
