/* A C program that loads the Go library beside it and hands over. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
	char path[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
	if (len < 0) return 1;
	path[len] = 0;
	strcpy(strrchr(path, '/') + 1, "library.so");
	void *library = dlopen(path, RTLD_NOW);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	void (*patient)(void) = (void (*)(void))dlsym(library, "LetgoPatient");
	if (!patient) return 1;
	patient();
	return 0;
}
