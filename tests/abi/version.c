// SPDX-License-Identifier: MIT
/* meson.build, version.h and the library itself name one version. */
#include <stdio.h>
#include <string.h>

#include <iodirty/version.h>

#define STR_(x) #x
#define STR(x)	STR_(x)

int main(void)
{
	const char *header =
		STR(IOD_VERSION_MAJOR) "." STR(IOD_VERSION_MINOR) "." STR(IOD_VERSION_PATCH);

	printf("project %s, header %s, library %s\n", PROJECT_VERSION, header,
	       iod_version_string());
	return strcmp(header, PROJECT_VERSION) || strcmp(iod_version_string(), PROJECT_VERSION);
}
