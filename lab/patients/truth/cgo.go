//go:build cgo

package truth

// static int letgo_patient_is_cgo(void) { return 1; }
import "C"

// Cgo says whether C code is linked in, which makes runtime/cgo start every thread.
var Cgo = C.letgo_patient_is_cgo() == 1
