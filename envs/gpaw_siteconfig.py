compiler = "g++"
mpi = False
noblas = True
nolibxc = True
fftw = False
scalapack = False
libraries = []
