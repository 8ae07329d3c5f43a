// A style sheet is imported for the bundler alone, which puts it into timeline.css.
declare module '*.css';
