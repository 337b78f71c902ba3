/* R calls R_init_nmu() when it loads the library; the routines are Rust's. Naming the Rust
   entry here is also what keeps the linker from dropping the static library. */
#include <R_ext/Rdynload.h>

void R_init_nmu_extendr(DllInfo *dll);

void R_init_nmu(DllInfo *dll)
{
    R_init_nmu_extendr(dll);
}
