// Plug is the plugin that the patient plugin loads.
package main

var live [][]byte

// Keep holds so many bytes.
func Keep(bytes int) {
	for done := 0; done < bytes; done += 4096 {
		b := make([]byte, 4096)
		b[0] = 1
		live = append(live, b)
	}
}

func main() {}
