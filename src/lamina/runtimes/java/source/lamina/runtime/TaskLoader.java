package lamina.runtime;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Where the classes of a function are: its package, the jars in the package's {@code lib}, and those of layers. */
final class TaskLoader extends URLClassLoader {
    static {
        registerAsParallelCapable();
    }

    private TaskLoader(URL[] places) {
        super(places, ClassLoader.getSystemClassLoader());
    }

    static ClassLoader of(Map<String, String> environment) {
        File task = new File(environment.getOrDefault("LAMBDA_TASK_ROOT", "/var/task"));
        File layers = new File(System.getProperty("lamina.layers", "/opt"));
        List<File> files = new ArrayList<>();
        files.add(task);
        files.addAll(jars(new File(task, "lib")));
        files.addAll(jars(new File(layers, "java/lib")));
        URL[] places = new URL[files.size()];
        for (int index = 0; index < places.length; index++) {
            places[index] = url(files.get(index));
        }
        return new TaskLoader(places);
    }

    /** The jars of a directory in the order of their names, as on AWS. */
    private static List<File> jars(File directory) {
        List<File> jars = new ArrayList<>();
        File[] found = directory.listFiles();
        if (found != null) {
            Arrays.sort(found);
            for (File file : found) {
                if (file.getName().endsWith(".jar")) {
                    jars.add(file);
                }
            }
        }
        return jars;
    }

    private static URL url(File file) {
        try {
            return file.toURI().toURL();
        } catch (MalformedURLException error) {
            throw new IllegalArgumentException(error);
        }
    }
}
